// The official Node SDK, unmodified, from a project's creation to its end. Prints what it was told,
// one JSON document, for test_node.py to judge.
import { createRequire } from "node:module";

const Client = createRequire(`${process.env.PACKAGES}/`)("@alicloud/log");
const [project, store] = ["node-project", "web"];
const client = new Client({
  endpoint: "sls.test",
  accessKeyId: process.env.KEY_ID,
  accessKeySecret: process.env.KEY_SECRET,
});

async function code(promise) {
  try {
    await promise;
    return "OK";
  } catch (fault) {
    return `${fault.code} ${Boolean(fault.requestid)}`;
  }
}

async function until(question, enough) {
  const end = Date.now() + 20_000;
  for (;;) {
    const answer = await question();
    if (enough(answer) || Date.now() > end) return answer;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

const said = {};
await client.createProject(project, { description: "a shop" });
said.again = await code(client.createProject(project, { description: "a shop" }));
said.project = await client.getProject(project);

await client.createLogStore(project, store, { ttl: 7, shardCount: 2 });
await client.updateLogStore(project, store, { ttl: 9, shardCount: 2 });
said.store = await client.getLogStore(project, store);
said.stores = await client.listLogStore(project);
said.absent = await code(client.getLogStore(project, "absent"));

const index = { line: { token: [" ", "/"], caseSensitive: false }, keys: {}, ttl: 7 };
await client.createIndex(project, store, index);
await client.updateIndex(project, store, { ...index, keys: { status: { type: "long", doc_value: true } } });
said.index = await client.getIndexConfig(project, store);

const now = Math.floor(Date.now() / 1000);
const logs = ["GET /cart", "GET /pay", "日本 \u{1F600} POST /pay"].map((content, at) => ({
  timestamp: now,
  timestampNsPart: at,
  content: { content, status: "200" },
}));
said.written = await code(
  client.postLogStoreLogs(project, store, { logs, topic: "t", source: "s", tags: [{ app: "web" }] })
);
const [from, to] = [new Date((now - 60) * 1000), new Date((now + 60) * 1000)];
const find = (query) => () => client.getLogs(project, store, from, to, { query, line: 10 });
said.found = await until(find("pay"), (found) => found.length === 2);
said.everything = await until(find("*"), (found) => found.length === 3);
said.counted = await client.getLogs(project, store, from, to, {
  query: "* | SELECT status, count(*) AS n GROUP BY status",
});
said.histogram = await client.getHistograms(project, store, from, to, { query: "pay" });
said.overProject = await client.getProjectLogs(project, {
  query: `SELECT count(*) AS n FROM ${store} WHERE __time__ > ${now - 60} AND __time__ < ${now + 60}`,
});
said.badQuery = await code(client.getLogs(project, store, from, to, { query: "(" }));

await client.deleteIndex(project, store);
said.noIndex = await code(client.getIndexConfig(project, store));
await client.deleteLogStore(project, store);
await client.deleteProject(project);
said.gone = await code(client.getProject(project));
console.log(JSON.stringify(said));

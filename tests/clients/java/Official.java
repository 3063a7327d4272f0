import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.LoggerContext;
import ch.qos.logback.classic.joran.JoranConfigurator;
import com.alibaba.fastjson.JSON;
import com.aliyun.openservices.aliyun.log.producer.LogProducer;
import com.aliyun.openservices.aliyun.log.producer.ProducerConfig;
import com.aliyun.openservices.aliyun.log.producer.ProjectConfig;
import com.aliyun.openservices.aliyun.log.producer.Result;
import com.aliyun.openservices.log.Client;
import com.aliyun.openservices.log.common.Config;
import com.aliyun.openservices.log.common.Consts;
import com.aliyun.openservices.log.common.ConsumerGroup;
import com.aliyun.openservices.log.common.FastLog;
import com.aliyun.openservices.log.common.FastLogGroup;
import com.aliyun.openservices.log.common.LogGroupData;
import com.aliyun.openservices.log.common.LogItem;
import com.aliyun.openservices.log.common.LogStore;
import com.aliyun.openservices.log.common.MachineGroup;
import com.aliyun.openservices.log.common.QueriedLog;
import com.aliyun.openservices.log.common.Shard;
import com.aliyun.openservices.log.exception.LogException;
import com.aliyun.openservices.log.http.client.ClientConfiguration;
import com.aliyun.openservices.log.http.signer.SignVersion;
import com.aliyun.openservices.log.request.PullLogsRequest;
import com.aliyun.openservices.log.request.PutLogsRequest;
import com.aliyun.openservices.log.request.UpdateProjectRequest;
import com.aliyun.openservices.log.response.GetLogsResponse;
import com.aliyun.openservices.log.response.PullLogsResponse;
import com.aliyun.openservices.loghub.client.ClientWorker;
import com.aliyun.openservices.loghub.client.ILogHubCheckPointTracker;
import com.aliyun.openservices.loghub.client.config.LogHubConfig;
import com.aliyun.openservices.loghub.client.interfaces.ILogHubProcessor;
import java.io.ByteArrayInputStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentSkipListSet;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The official Java SDK, producer, consumer library and Logback appender, unmodified. Prints what
 * it was told, one JSON document, for test_java.py to judge.
 */
public final class Official {
  private static final String ENDPOINT = "sls.test";
  private static final String PROJECT = "java-project";
  private static final String ID = System.getenv("KEY_ID");
  private static final String SECRET = System.getenv("KEY_SECRET");
  private static final Map<String, Object> SAID = new TreeMap<>();

  private interface Call {
    void run() throws Exception;
  }

  private interface Condition {
    boolean holds() throws Exception;
  }

  public static void main(String[] arguments) throws Exception {
    ((LoggerContext) LoggerFactory.getILoggerFactory()).getLogger("ROOT").setLevel(Level.WARN);
    Client client = new Client(ENDPOINT, ID, SECRET);
    projects(client);
    stores(client);
    writing(client);
    searching(client);
    collecting(client);
    groups(client);
    producing(client);
    appending(client);
    shards(client);
    end(client);
    System.out.println(JSON.toJSONString(SAID));
    System.exit(0); // The producer's and the clients' threads outlive their close.
  }

  private static String code(Call call) throws Exception {
    try {
      call.run();
      return "OK";
    } catch (LogException fault) {
      return fault.GetErrorCode() + " " + (fault.GetRequestId().length() > 0);
    }
  }

  private static void until(String what, Condition condition) throws Exception {
    long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(40);
    while (!condition.holds()) {
      if (System.nanoTime() > end) {
        throw new IllegalStateException("waited in vain: " + what);
      }
      Thread.sleep(50);
    }
  }

  private static int now() {
    return (int) (System.currentTimeMillis() / 1000);
  }

  private static void projects(Client client) throws Exception {
    client.CreateProject(PROJECT, "a shop");
    SAID.put("projectAgain", code(() -> client.CreateProject(PROJECT, "a shop")));
    client.updateProject(new UpdateProjectRequest(PROJECT, "a larger shop"));
    SAID.put("project", client.GetProject(PROJECT).GetProjectDescription());
    SAID.put("projects", client.ListProject("", 0, 100).getTotal());
    SAID.put("projectAbsent", code(() -> client.GetProject("absent-project")));
  }

  private static void stores(Client client) throws Exception {
    for (String name : new String[] {"web", "produced", "appended"}) {
      client.CreateLogStore(PROJECT, new LogStore(name, 7, 2));
      client.CreateIndex(
          PROJECT,
          name,
          "{\"line\":{\"token\":[\" \",\"/\"],\"caseSensitive\":false},"
              + "\"keys\":{\"status\":{\"type\":\"long\",\"doc_value\":true}}}");
    }
    client.UpdateLogStore(PROJECT, new LogStore("web", 9, 2));
    SAID.put("ttl", client.GetLogStore(PROJECT, "web").GetLogStore().GetTtl());
    SAID.put("stores", client.ListLogStores(PROJECT, 0, 100, "").GetLogStores());
    SAID.put("storeAbsent", code(() -> client.GetLogStore(PROJECT, "absent")));
    String index = client.GetIndex(PROJECT, "web").GetIndex().ToJsonString();
    SAID.put("index", JSON.parseObject(index).getJSONObject("keys").getJSONObject("status"));
    client.UpdateIndex(PROJECT, "web", client.GetIndex(PROJECT, "web").GetIndex());
  }

  /** Each signature with each compression: what was written comes back by PullLogs. */
  private static void writing(Client client) throws Exception {
    ClientConfiguration fourth = new ClientConfiguration();
    fourth.setSignatureVersion(SignVersion.V4);
    fourth.setRegion("loghub");
    Client[] clients = {client, new Client(ENDPOINT, ID, SECRET, fourth)};
    Consts.CompressType[] kinds = {
      Consts.CompressType.NONE, Consts.CompressType.LZ4, Consts.CompressType.GZIP,
      Consts.CompressType.ZSTD
    };
    List<String> sent = new ArrayList<>();
    for (Client each : clients) {
      for (Consts.CompressType kind : kinds) {
        String text = "GET /cart " + each.getSignatureVersion() + " " + kind + " \u65e5\u672c";
        PutLogsRequest request =
            new PutLogsRequest(PROJECT, "web", "page", "10.0.0.1", items(text), null);
        request.SetCompressType(kind);
        request.setHashKey("00000000000000000000000000000000");
        each.PutLogs(request);
        sent.add(text);
      }
    }
    SAID.put("sent", sent);
    for (Consts.CompressType kind : new Consts.CompressType[] {kinds[1], kinds[3]}) {
      SAID.put("pulled" + kind, pulled(client, "web", 0, kind));
    }
    client.PutLogs(PROJECT, "web", "page", items("POST /pay"), "10.0.0.1");
    int shard = pulled(client, "web", 1, kinds[1]).isEmpty() ? 0 : 1;
    String begin =
        client.GetCursor(PROJECT, "web", shard, Consts.CursorMode.BEGIN).GetCursor();
    int time = client.GetCursorTime(PROJECT, "web", shard, begin).GetCursorTime();
    SAID.put("cursorTime", Math.abs(time - now()) < 60);
  }

  private static ArrayList<com.aliyun.openservices.log.common.LogContent> item(String text) {
    LogItem item = new LogItem(now());
    item.PushBack("content", text);
    item.PushBack("status", "200");
    return item.GetLogContents();
  }

  private static List<LogItem> items(String text) {
    return new ArrayList<>(List.of(new LogItem(now(), item(text))));
  }

  private static List<String> pulled(Client client, String store, int shard, Consts.CompressType by)
      throws LogException {
    List<String> found = new ArrayList<>();
    String cursor = client.GetCursor(PROJECT, store, shard, Consts.CursorMode.BEGIN).GetCursor();
    while (true) {
      PullLogsRequest request = new PullLogsRequest(PROJECT, store, shard, 3, cursor);
      request.setCompressType(by);
      PullLogsResponse answer = client.pullLogs(request);
      if (answer.getCount() == 0) {
        return found;
      }
      for (LogGroupData group : answer.getLogGroups()) {
        found.addAll(contents(group));
      }
      cursor = answer.getNextCursor();
    }
  }

  private static List<String> contents(LogGroupData data) {
    FastLogGroup group = data.getFastLogGroup();
    List<String> found = new ArrayList<>();
    for (int at = 0; at < group.getLogsCount(); at++) {
      FastLog log = group.getLogs(at);
      for (int field = 0; field < log.getContentsCount(); field++) {
        if (log.getContents(field).getKey().equals("content")) {
          found.add(log.getContents(field).getValue());
        }
      }
    }
    return found;
  }

  private static List<Map<String, String>> rows(GetLogsResponse answer) {
    List<Map<String, String>> rows = new ArrayList<>();
    for (QueriedLog log : answer.getLogs()) {
      Map<String, String> row = new TreeMap<>();
      log.mLogItem.mContents.forEach(each -> row.put(each.mKey, each.mValue));
      rows.add(row);
    }
    return rows;
  }

  private static void searching(Client client) throws Exception {
    int from = now() - 600;
    int to = now() + 600;
    until(
        "what was written is found",
        () -> client.GetHistograms(PROJECT, "web", from, to, "", "*").GetTotalCount() == 9);
    SAID.put("found", rows(client.GetLogs(PROJECT, "web", from, to, "", "pay", 10, 0, false)));
    SAID.put(
        "counted",
        rows(client.GetLogs(PROJECT, "web", from, to, "", "* | SELECT count(1) AS n, status GROUP BY status")));
    SAID.put("histogram", client.GetHistograms(PROJECT, "web", from, to, "", "cart").GetTotalCount());
    SAID.put("badQuery", code(() -> client.GetLogs(PROJECT, "web", from, to, "", "(")));
  }

  private static void collecting(Client client) throws Exception {
    MachineGroup group = new MachineGroup("hosts", "userdefined", new ArrayList<>(List.of("shop")));
    client.CreateMachineGroup(PROJECT, group);
    client.UpdateMachineGroup(PROJECT, group);
    SAID.put("machines", client.GetMachineGroup(PROJECT, "hosts").GetMachineGroup().GetMachineList());
    SAID.put("machineGroups", client.ListMachineGroup(PROJECT, 0, 10).GetMachineGroups());

    Config config = new Config();
    config.FromJsonString(
        "{\"configName\":\"access\",\"inputType\":\"file\",\"inputDetail\":{\"logType\":"
            + "\"common_reg_log\",\"logPath\":\"/var/log\",\"filePattern\":\"access.log\","
            + "\"localStorage\":true,\"timeFormat\":\"\",\"logBeginRegex\":\".*\","
            + "\"regex\":\"(.*)\",\"key\":[\"content\"],\"filterKey\":[],\"filterRegex\":[],"
            + "\"topicFormat\":\"none\",\"preserve\":true,\"discardUnmatch\":true},"
            + "\"outputType\":\"LogService\",\"outputDetail\":{\"logstoreName\":\"web\"}}");
    client.CreateConfig(PROJECT, config);
    client.UpdateConfig(PROJECT, config);
    SAID.put("config", client.GetConfig(PROJECT, "access").GetConfig().GetInputType());
    SAID.put("configs", client.ListConfig(PROJECT, 0, 10).GetConfigs());
    client.ApplyConfigToMachineGroup(PROJECT, "hosts", "access");
    SAID.put("applied", client.GetAppliedConfig(PROJECT, "hosts").Getconfigs());
    SAID.put("appliedTo", client.GetAppliedMachineGroups(PROJECT, "access").GetMachineGroups());
    client.RemoveConfigFromMachineGroup(PROJECT, "hosts", "access");
    client.DeleteConfig(PROJECT, "access");
    client.DeleteMachineGroup(PROJECT, "hosts");
  }

  private static void groups(Client client) throws Exception {
    client.CreateConsumerGroup(PROJECT, "web", new ConsumerGroup("readers", 60, false));
    SAID.put(
        "groupAgain",
        code(() -> client.CreateConsumerGroup(PROJECT, "web", new ConsumerGroup("readers", 60, false))));
    client.UpdateConsumerGroup(PROJECT, "web", "readers", true, 30);
    ConsumerGroup found = client.ListConsumerGroup(PROJECT, "web").GetConsumerGroups().get(0);
    SAID.put("group", found.getConsumerGroupName() + found.getTimeout() + found.isInOrder());
    SAID.put("held", client.HeartBeat(PROJECT, "web", "readers", "me", new ArrayList<>()).getShards());
    String cursor = client.GetCursor(PROJECT, "web", 0, Consts.CursorMode.END).GetCursor();
    client.UpdateCheckPoint(PROJECT, "web", "readers", "me", 0, cursor);
    String kept =
        client.GetCheckPoint(PROJECT, "web", "readers", 0).getCheckPoints().get(0).getCheckPoint();
    SAID.put("checkpoint", kept.equals(cursor));
    client.DeleteConsumerGroup(PROJECT, "web", "readers");
  }

  /** What the workers of the consumer library have processed. */
  private static final class Reader implements ILogHubProcessor {
    static final Map<String, ConcurrentSkipListSet<Integer>> HELD = new ConcurrentHashMap<>();
    static final ConcurrentSkipListSet<String> SEEN = new ConcurrentSkipListSet<>();
    private final String name;
    private int shard;

    Reader(String name) {
      this.name = name;
    }

    @Override
    public void initialize(int shardId) {
      shard = shardId;
      HELD.computeIfAbsent(name, any -> new ConcurrentSkipListSet<>()).add(shardId);
    }

    @Override
    public String process(List<LogGroupData> groups, ILogHubCheckPointTracker tracker) {
      groups.forEach(each -> SEEN.addAll(contents(each)));
      save(tracker);
      return null;
    }

    @Override
    public void shutdown(ILogHubCheckPointTracker tracker) {
      save(tracker);
      HELD.get(name).remove(shard);
    }

    private static void save(ILogHubCheckPointTracker tracker) {
      try {
        tracker.saveCheckPoint(true);
      } catch (Exception fault) {
        throw new IllegalStateException(fault);
      }
    }

    static boolean holds(String who, int shards) {
      return HELD.containsKey(who) && HELD.get(who).size() == shards;
    }
  }

  private static ClientWorker reader(String name) throws Exception {
    LogHubConfig config =
        new LogHubConfig(
            "readers", name, ENDPOINT, PROJECT, "produced", ID, SECRET,
            LogHubConfig.ConsumePosition.BEGIN_CURSOR);
    config.setHeartBeatIntervalMillis(500);
    config.setFetchIntervalMillis(100);
    config.setTimeoutInSeconds(10);
    ClientWorker worker = new ClientWorker(() -> new Reader(name), config);
    new Thread(worker, name).start();
    return worker;
  }

  /** Two workers share the shards; one leaves, and the other goes on where it stopped. */
  private static void producing(Client client) throws Exception {
    ClientWorker first = reader("first");
    until("the first reads all", () -> Reader.holds("first", 2));
    ClientWorker second = reader("second");
    until("each reads one", () -> Reader.holds("first", 1) && Reader.holds("second", 1));
    int done = produce(0, 2000);
    until("all is read", () -> Reader.SEEN.size() == 2000);
    first.shutdown();
    until("the second reads all", () -> Reader.holds("second", 2));
    done += produce(2000, 2200);
    until("the rest is read", () -> Reader.SEEN.size() == 2200);
    second.shutdown();
    SAID.put("produced", done);
    SAID.put("consumed", Reader.SEEN.size());
  }

  private static int produce(int from, int to) throws Exception {
    ProducerConfig config = new ProducerConfig();
    config.setLingerMs(100);
    config.setBatchCountThreshold(50);
    LogProducer producer = new LogProducer(config);
    producer.putProjectConfig(new ProjectConfig(PROJECT, ENDPOINT, ID, SECRET));
    List<Future<Result>> results = new ArrayList<>();
    for (int number = from; number < to; number++) {
      String key = number % 2 == 0 ? "00000000000000000000000000000000" : "80000000000000000000000000000000";
      LogItem log = new LogItem(now(), item("number " + number));
      results.add(producer.send(PROJECT, "produced", "topic", "source", key, log));
    }
    producer.close();
    int fine = 0;
    for (Future<Result> each : results) {
      fine += each.get(30, TimeUnit.SECONDS).isSuccessful() ? 1 : 0;
    }
    return fine;
  }

  private static void appending(Client client) throws Exception {
    String configuration =
        "<configuration><appender name='sls' class='com.aliyun.openservices.log.logback.LoghubAppender'>"
            + "<endpoint>" + ENDPOINT + "</endpoint><accessKeyId>" + ID + "</accessKeyId>"
            + "<accessKeySecret>" + SECRET + "</accessKeySecret><project>" + PROJECT + "</project>"
            + "<logStore>appended</logStore><topic>app</topic><source>10.0.0.1</source><lingerMs>100</lingerMs>"
            + "<encoder><pattern>%logger{0}: %msg</pattern></encoder>"
            + "<mdcFields>order</mdcFields></appender>"
            + "<root level='info'><appender-ref ref='sls'/></root></configuration>";
    LoggerContext context = new LoggerContext();
    JoranConfigurator joran = new JoranConfigurator();
    joran.setContext(context);
    joran.doConfigure(new ByteArrayInputStream(configuration.getBytes(StandardCharsets.UTF_8)));
    Logger logger = context.getLogger("shop.Checkout");
    org.slf4j.MDC.put("order", "4711");
    logger.info("paid {}", 42);
    logger.debug("not this one");
    logger.error("refused", new IllegalStateException("no money\nat all"));
    context.stop();
    int from = now() - 600;
    int to = now() + 600;
    until(
        "what was logged is found",
        () -> client.GetHistograms(PROJECT, "appended", from, to, "", "*").GetTotalCount() == 2);
    SAID.put("appended", rows(client.GetLogs(PROJECT, "appended", from, to, "app", "*", 10, 0, false)));
  }

  private static void shards(Client client) throws Exception {
    client.SplitShard(PROJECT, "web", 0, "40000000000000000000000000000000");
    SAID.put("afterSplit", statuses(client));
    client.MergeShards(PROJECT, "web", 2);
    SAID.put("afterMerge", statuses(client));
  }

  private static List<String> statuses(Client client) throws LogException {
    List<String> found = new ArrayList<>();
    for (Shard each : client.ListShard(PROJECT, "web").GetShards()) {
      found.add(each.GetShardId() + " " + each.getStatus());
    }
    found.sort(null);
    return found;
  }

  private static void end(Client client) throws Exception {
    client.DeleteIndex(PROJECT, "web");
    SAID.put("noIndex", code(() -> client.GetIndex(PROJECT, "web")));
    client.DeleteLogStore(PROJECT, "web");
    client.DeleteProject(PROJECT);
    SAID.put("gone", code(() -> client.GetProject(PROJECT)));
  }
}

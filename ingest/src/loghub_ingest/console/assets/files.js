/**
 * What was found as a file, or in the clipboard.
 */

import * as api from "./api.js";
import { here, toast } from "./frame.js";

/**
 * Download what a query finds, as the service writes it.
 * @param {object} asked the query and its range @param {"ndjson" | "csv"} format
 */
export async function download(asked, format) {
  const path = `${api.pathOf(here.project, here.logstore)}/download`;
  const answer = await api.raw("POST", path, { ...asked, format });
  const isCut = answer.headers.has("x-loghub-cut");
  save(await answer.blob(), `${here.project}-${here.logstore}.${format}`);
  toast(isCut ? "Downloaded the first 10,000 records or 32 MiB: narrow the range for the rest" : "Downloaded");
}

function save(blob, name) {
  const address = URL.createObjectURL(blob);
  const link = document.createElement("a");
  link.href = address;
  link.download = name;
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}

/**
 * A record as the page reads it: its time, its level, the text that matters, and its other fields.
 */

import * as time from "./time.js";

const MESSAGES = ["content", "message", "msg", "log", "event", "__raw_log__", "text", "body"];
const LEVELS = ["level", "severity", "lvl", "loglevel", "log_level", "severity_text"];
const OWN = new Set(["__time__", "__time_ns_part__", "__tag__:__pack_id__", "__pack_meta__", "__index_number__"]);
const WORDS = /\b(FATAL|PANIC|CRITICAL|EMERG|ALERT|ERROR|ERR|SEVERE|WARNING|WARN|NOTICE|INFO|DEBUG|TRACE|VERBOSE)\b/;
const HEAD = 200;

const KINDS = [
  ["error", /^(fatal|panic|crit|critical|emerg|emergency|alert|error|err|severe|e|f)$/i],
  ["warn", /^(warn|warning|w)$/i],
  ["info", /^(info|information|notice|i)$/i],
  ["debug", /^(debug|trace|verbose|fine|finer|finest|d|t)$/i],
];

/**
 * @typedef {{map: Map<string, string>, fields: [string, string][], cut: Object<string, number>,
 *   more: number, unix: number, nano: number, level: string, message: [string, string] | null,
 *   pack: {id: string, meta: string} | null, number: number}} Entry
 */

/** @param {{fields: [string, string][], cut: Object<string, number>, more: number}} given @returns {Entry} */
export function entry(given) {
  const map = new Map(given.fields);
  const [id, meta] = [map.get("__tag__:__pack_id__"), map.get("__pack_meta__")];
  const found = MESSAGES.find((name) => map.has(name));
  return {
    map,
    fields: given.fields.filter(([name]) => !OWN.has(name)),
    cut: given.cut,
    more: given.more,
    unix: Number(map.get("__time__") ?? NaN),
    nano: Number(map.get("__time_ns_part__") ?? 0),
    level: level(map, found === undefined ? "" : map.get(found)),
    message: found === undefined ? null : [found, map.get(found)],
    pack: id === undefined || meta === undefined ? null : { id, meta },
    number: Number(map.get("__index_number__") ?? 0),
  };
}

/** The record's time as text. */
export function when(record) {
  return time.full(record.unix, record.nano);
}

/** Fields of the application's own: neither the service's nor tags. */
export function ownFields(record) {
  return record.fields.filter(([name]) => !name.startsWith("__"));
}

/** The record as one line of JSON, the fields of its place left out. */
export function json(record) {
  const pairs = [["__time__", String(record.unix)], ...record.fields];
  return `{${pairs.map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`).join(",")}}`;
}

/** What the raw view shows: the text, or `key=value` of all fields where none is the text. */
export function line(record) {
  if (record.message !== null) return record.message[1];
  return ownFields(record).map(([name, value]) => `${name}=${value}`).join(" ");
}

/** A value that is JSON, parsed, or undefined. */
export function parsed(value, limit = 256 * 1024) {
  if (value.length > limit || !/^\s*[{[]/.test(value)) return undefined;
  try { return JSON.parse(value); } catch { return undefined; }
}

function level(map, message) {
  const name = LEVELS.find((each) => map.has(each));
  const word = name ? map.get(name).slice(0, HEAD) : WORDS.exec(message.slice(0, HEAD))?.[1] ?? "";
  const kind = KINDS.find(([, pattern]) => pattern.test(word.trim()));
  return kind ? kind[0] : "";
}

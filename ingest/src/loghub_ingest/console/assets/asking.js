/**
 * Texts of the query language made by clicks: one more condition before the SQL.
 */

/** A field's name as a query has it. */
export function key(field) {
  return /^(__tag__:)?[A-Za-z_][\w.-]*$/.test(field) ? field : quoted(field);
}

/** `field: "value"`, with what the grammar would take for its own escaped. */
export function condition(field, value) {
  return `${key(field)}: ${quoted(value)}`;
}

/**
 * The query with one more condition.
 * @param {string} query @param {string} field @param {string} value @param {boolean} [without]
 */
export function add(query, field, value, without = false) {
  const bar = splitAt(query);
  const search = query.slice(0, bar).trim();
  const rest = query.slice(bar).trim();
  const more = (without ? "not " : "") + condition(field, value);
  const all = search === "" || search === "*";
  const parts = all ? [more] : [needsBrackets(search) ? `(${search})` : search, "and", more];
  return [...parts, rest].filter(Boolean).join(" ");
}

/** How many values of a field, as SQL after the query's own search. */
export function counting(query, field) {
  const search = query.slice(0, splitAt(query)).trim() || "*";
  const name = `"${field.replaceAll('"', '""')}"`;
  return `${search} | SELECT ${name}, count(*) AS n GROUP BY ${name} ORDER BY n DESC LIMIT 50`;
}

/** Whether SQL follows. */
export function hasSql(query) {
  return splitAt(query) < query.length;
}

function splitAt(query) {
  let inQuotes = false;
  for (let at = 0; at < query.length; at++) {
    if (query[at] === "\\") at++;
    else if (query[at] === '"') inQuotes = !inQuotes;
    else if (query[at] === "|" && !inQuotes) return at;
  }
  return query.length;
}

function needsBrackets(search) {
  return /\bor\b/i.test(search.replace(/"(?:[^"\\]|\\.)*"/g, ""));
}

/** A text in quotation marks. */
export function quoted(text) {
  return `"${text.replace(/["\\]/g, "\\$&")}"`;
}

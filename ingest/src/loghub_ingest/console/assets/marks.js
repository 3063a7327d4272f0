/**
 * Where the words of a query are in a value. The service sends the words and how the index cuts
 * each field (`console/showing.py`); the comparison is by ASCII letters, as its own.
 */

const MAX_SPANS = 500;
const CJK = /[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff]/;

/**
 * @param {{terms: [string, string][], rules: Object<string, {delimiters: string, case: boolean, chn: boolean}>}} given
 * @returns {(field: string, value: string) => [number, number][]}
 */
export function marker(given) {
  if (!given?.terms?.length) return () => [];
  const rules = new Map(Object.entries(given.rules));
  const patterns = new Map();
  return (field, value) => {
    if (!patterns.has(field)) {
      const words = given.terms.filter(([key]) => key === "" || key === field).map(([, term]) => term);
      patterns.set(field, pattern(words, rules.get(field) ?? rules.get("")));
    }
    return spans(patterns.get(field), value);
  };
}

function pattern(terms, rule) {
  const delimiters = new Set(rule.delimiters);
  const words = new Set();
  for (const term of terms) {
    for (const word of cut(term, delimiters)) words.add(word);
  }
  const kept = [...words].filter((word) => /[^*?]/.test(word)).sort((a, b) => b.length - a.length);
  if (!kept.length) return null;
  const inside = delimiters.size ? `[^${[...delimiters].map(classed).join("")}]` : "[^]";
  const parts = kept.map((word) => {
    const body = [...word].map((each) =>
      each === "*" ? `${inside}*` : each === "?" ? inside : escaped(each)).join("");
    // Ideographs may be cut letter by letter: no delimiter stands around their words.
    return rule.chn || CJK.test(word) ? body : `(?<!${inside})${body}(?!${inside})`;
  });
  return new RegExp(parts.join("|"), rule.case ? "g" : "gi");
}

function cut(term, delimiters) {
  const words = [];
  let word = "";
  for (const each of term) {
    if (delimiters.has(each) && each !== "?" && each !== "*") {
      words.push(word);
      word = "";
    } else word += each;
  }
  return [...words, word].filter(Boolean);
}

function spans(compiled, value) {
  const found = [];
  if (compiled === null) return found;
  for (const match of value.matchAll(compiled)) {
    if (match[0]) found.push([match.index, match.index + match[0].length]);
    if (found.length === MAX_SPANS) break;
  }
  return found;
}

function escaped(text) {
  return text.replace(/[.*+?^${}()|[\]\\/-]/g, "\\$&");
}

function classed(character) {
  return /[\]\\^-]/.test(character) ? `\\${character}` : character;
}

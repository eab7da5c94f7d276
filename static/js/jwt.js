// Takes a token apart as the server's Inspect does; one file of cases holds both
// to the same. Nothing is looked up by a name from the token but in a Map.

const blanks = ' \t\r\n\v\f\u00a0\u200b\u2028\u2029\ufeff';
const blank = /[ \t\r\n\v\f\u00a0\u200b\u2028\u2029\ufeff]/g;
const edge = `"'\`,;${blanks}`;
const plainNumber = /^"?(\d{1,20}(\.\d+)?([eE]\+?\d{1,2})?)"?$/;
const millisFrom = 1e11;
const millisTo = 1e14;

const utf8 = new TextEncoder();
const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const whole = (s) => (s.toWellFormed ? s.toWellFormed() : s);

// bytes decodes base64url without padding, and nothing else; null for anything else.
export function bytes(part) {
  if (!/^[A-Za-z0-9_-]*$/.test(part) || part.length % 4 === 1) return null;
  const text = atob(part.replaceAll('-', '+').replaceAll('_', '/'));
  return Uint8Array.from(text, (c) => c.charCodeAt(0));
}

// trim takes characters away from both ends. A regular expression for the end
// would begin anew at each character, which takes minutes for pasted blanks.
function trim(text, away) {
  let from = 0;
  let to = text.length;
  while (from < to && away.includes(text[from])) from++;
  while (from < to && away.includes(text[to - 1])) to--;
  return text.slice(from, to);
}

function trimEnd(text, away) {
  let to = text.length;
  while (to > 0 && text[to - 1] === away) to--;
  return text.slice(0, to);
}

// plain takes away what came along when a token was copied.
function plain(pasted) {
  let text = trim(trim(trim(pasted, blanks).replace(/^authorization:/i, ''), blanks), edge);
  if (/^bearer/i.test(text) && text.length > 6 && blanks.includes(text[6])) text = trim(text.slice(6), edge);
  return text.replace(blank, '');
}

// shorten cuts a text after so many bytes and marks that.
function shorten(text, most) {
  const all = utf8.encode(text);
  if (all.length <= most) return text;
  let end = most;
  while (end > 0 && (all[end] & 0xc0) === 0x80) end--;
  return `${new TextDecoder().decode(all.subarray(0, end))}…`;
}

// members lists what stands in valid JSON of an object or a list, as it stands
// there: [name, value], both JSON; a list has no names.
function members(json) {
  const out = [];
  let depth = 0;
  let start = 1;
  let name;
  let inString = false;
  const close = (end) => {
    const raw = json.slice(start, end).trim();
    if (raw !== '') out.push([name, raw]);
  };
  for (let i = 0; i < json.length; i++) {
    const c = json[i];
    if (inString) {
      if (c === '\\') i++;
      else if (c === '"') inString = false;
    } else if (c === '"') inString = true;
    else if (c === '{' || c === '[') depth++;
    else if (c === '}' || c === ']') {
      depth--;
      if (depth === 0) close(i);
    } else if (depth === 1 && c === ',') {
      close(i);
      start = i + 1;
      name = undefined;
    } else if (depth === 1 && c === ':' && json[0] === '{') {
      name = json.slice(start, i).trim();
      start = i + 1;
    }
  }
  return out;
}

// nesting returns how deep valid JSON is nested.
function nesting(json) {
  let depth = 0;
  let deepest = 0;
  let inString = false;
  for (let i = 0; i < json.length; i++) {
    const c = json[i];
    if (inString) {
      if (c === '\\') i++;
      else if (c === '"') inString = false;
    } else if (c === '"') inString = true;
    else if (c === '{' || c === '[') deepest = Math.max(deepest, ++depth);
    else if (c === '}' || c === ']') depth--;
  }
  return deepest;
}

// indented writes valid JSON in lines, every value as it stands.
function indented(json, margin = '') {
  const list = json[0] === '[';
  if (!list && json[0] !== '{') return json;
  const inner = `${margin}  `;
  const rows = members(json).map(([name, raw]) => `${inner}${name === undefined ? '' : `${name}: `}${indented(raw, inner)}`);
  const [open, shut] = list ? '[]' : '{}';
  return rows.length === 0 ? open + shut : `${open}\n${rows.join(',\n')}\n${margin}${shut}`;
}

// display shows text as it is, a list with commas, the rest as the JSON it is.
function display(raw, limits) {
  let text = raw;
  if (raw[0] === '"') text = whole(JSON.parse(raw));
  else if (raw[0] === '[') text = members(raw).map(([, item]) => (item[0] === '"' ? whole(JSON.parse(item)) : item)).join(', ');
  return shorten(text, limits.maxValue);
}

const numberOf = (raw) => Number(plainNumber.exec(raw)?.[1] ?? 0);

const seconds = (n) => (n > 0 && n <= 2 ** 36 ? Math.floor(n) : 0);

// part decodes the header or the payload.
function part(text, name, limits) {
  const raw = bytes(text);
  if (!raw) return { problem: `${name}_not_base64` };
  let json;
  try {
    json = strict.decode(raw);
  } catch {
    return { problem: `${name}_not_utf8` };
  }
  let value;
  try {
    value = JSON.parse(json);
  } catch {
    return { problem: `${name}_not_json` };
  }
  if (nesting(json) > limits.maxDepth) return { problem: `${name}_too_deep` };
  if (Array.isArray(value)) return { problem: `${name}_array` };
  if (value === null || typeof value !== 'object') return { problem: `${name}_not_object` };
  json = json.trim();
  const list = members(json).map(([key, one]) => [whole(JSON.parse(key)), one]);
  // The last one counts, as most programs read it.
  const last = (key) => {
    const found = list.findLast(([n]) => n === key)?.[1];
    return found?.[0] === '"' ? whole(JSON.parse(found)) : '';
  };
  return { text: indented(json), list, value: last };
}

// rows lists members: those of the table in its order, then the others by name.
function rows(list, table, limits, times) {
  const at = new Map(table.map(([name, meaning], i) => [name, { i, meaning }]));
  const out = [];
  let others = 0;
  for (const [name, raw] of list) {
    const known = at.get(name);
    if (!known && ++others > limits.maxClaims) continue;
    if (out.length > 2 * limits.maxClaims) break;
    const row = { name: shorten(name, limits.maxName), value: display(raw, limits), meaning: known?.meaning ?? '', raw, time: 0, number: 0 };
    if (times.includes(name)) {
      row.number = numberOf(raw);
      row.time = seconds(row.number);
    }
    out.push(row);
  }
  return sorted(out, at);
}

function sorted(list, at) {
  const place = (row) => at.get(row.name)?.i ?? Infinity;
  return list.sort((a, b) => (place(a) === place(b) ? (place(a) === Infinity ? compareBytes(a.name, b.name) : 0) : place(a) - place(b)));
}

function compareBytes(a, b) {
  const [x, y] = [utf8.encode(a), utf8.encode(b)];
  for (let i = 0; i < Math.min(x.length, y.length); i++) if (x[i] !== y[i]) return x[i] - y[i];
  return x.length - y.length;
}

function doubles(notes, code, list, limits) {
  const seen = new Map();
  for (const [name] of list) {
    seen.set(name, (seen.get(name) ?? 0) + 1);
    if (seen.get(name) === 2 && notes.length < limits.maxNotes) notes.push({ code, about: shorten(name, limits.maxName) });
  }
}

// inspect takes a token apart that somebody pasted; data is the server's tables.
// It never throws; what is wrong is in problem.
export function inspect(pasted, data) {
  const out = { problem: '', about: '', notes: [], header: [], headerText: '', claims: [], payloadText: '', alg: '', kid: '', issuer: '', tenant: '', expires: 0, unverifiable: '' };
  read(out, pasted, data);
  if (out.problem === '') finish(out, data);
  if (out.unverifiable === '' && out.problem !== '') out.unverifiable = 'sig_unreadable';
  return out;
}

function read(out, pasted, data) {
  const stop = (problem, about = '') => Object.assign(out, { problem, about: String(about) });
  const size = utf8.encode(pasted).length; // before anything is done with it
  if (size > 2 * data.maxBytes) return stop('too_large', size);
  const token = plain(pasted);
  if (token === '') return stop('empty');
  const length = utf8.encode(token).length;
  if (length > data.maxBytes) return stop('too_large', length);
  const parts = token.split('.');
  if (parts.length === 1) return stop('one_part');
  if (parts.length === 2) return stop('two_parts');
  if (parts.length !== 3 && parts.length !== 5) return stop('many_parts', parts.length);
  const header = part(parts[0], 'header', data);
  if (header.problem) return stop(header.problem);
  out.headerText = header.text;
  out.header = rows(header.list, data.headers, data, data.times);
  doubles(out.notes, 'header_duplicate', header.list, data);
  const ambiguous = out.notes.length > 0;
  out.alg = header.value('alg');
  out.kid = header.value('kid');
  if (parts.length === 5) return stop('encrypted', out.alg);
  if (header.value('cty').toLowerCase().replace(/^application\//, '') === 'jwt') {
    const inner = nested(parts[1]);
    if (inner) {
      out.payloadText = inner;
      return stop('nested');
    }
  }
  const payload = part(parts[1], 'payload', data);
  if (payload.problem) return stop(payload.problem);
  out.payloadText = payload.text;
  out.claims = rows(payload.list, data.claims, data, data.times);
  doubles(out.notes, 'duplicate', payload.list, data);
  out.issuer = payload.value('iss');
  out.tenant = payload.value('tid');
  out.signed = `${parts[0]}.${parts[1]}`;
  out.signature = parts[2] === '' || ambiguous ? null : bytes(parts[2]);
  const graph = header.value('nonce') !== '' && data.graph.includes(trimEnd(payload.value('aud'), '/'));
  if (out.alg.toLowerCase() === 'none') out.unverifiable = 'sig_none';
  else if (out.alg.startsWith('HS')) out.unverifiable = 'sig_hmac';
  else if (!out.signature) out.unverifiable = 'sig_malformed';
  else if (graph) out.unverifiable = 'sig_graph';
  else if (header.list.some(([name]) => name === 'crit')) out.unverifiable = 'sig_crit';
  else if (!data.algorithms.includes(out.alg)) out.unverifiable = 'sig_alg';
  return out;
}

function nested(text) {
  const raw = bytes(text);
  if (!raw) return '';
  try {
    const inner = strict.decode(raw);
    return inner.split('.').length > 2 && inner[0] !== '{' ? inner : '';
  } catch {
    return '';
  }
}

// finish adds the remarks about times.
function finish(out, data) {
  for (const row of out.claims) {
    if (row.number < millisFrom || row.number >= millisTo) continue;
    row.time = Math.floor(row.number / 1000);
    if (out.notes.length < data.maxNotes) out.notes.push({ code: 'milliseconds', about: row.name });
  }
  out.expires = out.claims.findLast((row) => row.name === 'exp')?.time ?? 0;
}

// compare lists the claims of two tokens, each once.
export function compare(first, second, data) {
  const at = new Map(data.claims.map(([name], i) => [name, { i }]));
  const [a, b] = [first, second].map((token) => {
    const all = new Map();
    for (const row of token.claims) {
      const before = all.get(row.name);
      all.set(row.name, before ? { value: `${before.value}, ${row.value}`, raw: `${before.raw}, ${row.raw}` } : row);
    }
    return all;
  });
  const names = [...new Set([...a.keys(), ...b.keys()])].map((name) => ({ name }));
  return sorted(names, at).map(({ name }) => {
    const [x, y] = [a.get(name), b.get(name)];
    const difference = !x ? 'only in the second' : !y ? 'only in the first' : x.raw === y.raw ? 'same' : 'changed';
    return { name, first: x?.value ?? '', second: y?.value ?? '', difference };
  });
}

const kinds = {
  RS: (hash) => ({ name: 'RSASSA-PKCS1-v1_5', hash }),
  PS: (hash, bits) => ({ name: 'RSA-PSS', hash, saltLength: bits / 8 }),
  ES: (hash, bits) => ({ name: 'ECDSA', hash, namedCurve: bits === 512 ? 'P-521' : `P-${bits}` }),
};

// verify checks the signature of an inspected token with keys of its issuer.
export async function verify(token, keys) {
  const bits = Number(token.alg.slice(2));
  const algorithm = kinds[token.alg.slice(0, 2)](`SHA-${bits}`, bits);
  for (const jwk of keys) {
    if (jwk.alg && jwk.alg !== token.alg) continue;
    try {
      const { kty, n, e, crv, x, y } = jwk;
      const key = await crypto.subtle.importKey('jwk', kty === 'RSA' ? { kty, n, e } : { kty, crv, x, y }, algorithm, false, ['verify']);
      if (await crypto.subtle.verify(algorithm, key, token.signature, utf8.encode(token.signed))) return true;
    } catch { /* a key of another kind */ }
  }
  return false;
}

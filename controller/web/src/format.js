// How quantities, times and hostile text are shown: here and nowhere else.

const binary = ['Ki', 'Mi', 'Gi', 'Ti', 'Pi', 'Ei'];
const decimal = ['k', 'M', 'G', 'T', 'P', 'E'];

// Control characters but for line feed and tab; those that rearrange, hide or join what stands around them.
// eslint-disable-next-line no-control-regex
const concealed = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]/;
const allConcealed = new RegExp(concealed.source, 'g');

/** Text as it is, but for characters that would not be seen or would rearrange others: these are written out, as the
 * program itself does in what it tells. @param {string} text @returns {string} */
export function visible(text) {
  if (!concealed.test(text)) return text;
  return text.replace(allConcealed, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** Bytes of a quantity as Kubernetes writes it: "64Mi", "1500", "25m"; NaN for anything else.
 * @param {string | number | undefined} quantity @returns {number} */
export function parseQuantity(quantity) {
  if (typeof quantity === 'number') return quantity;
  const parts = /^([0-9]+(?:\.[0-9]+)?)([KMGTPE]i|[kMGTPEm])?$/.exec(quantity ?? '');
  if (!parts) return NaN;
  const value = Number(parts[1]);
  const unit = parts[2] ?? '';
  if (unit === 'm') return value / 1000;
  if (binary.includes(unit)) return value * 1024 ** (binary.indexOf(unit) + 1);
  return value * 1000 ** (decimal.indexOf(unit) + 1);
}

/** @param {number} bytes @returns {string} "1.5 GiB" */
export function bytes(bytes) {
  if (!Number.isFinite(bytes)) return '–';
  let unit = 0;
  let value = bytes;
  while (value >= 1024 && unit < binary.length) {
    value /= 1024;
    ++unit;
  }
  const digits = value >= 100 || Number.isInteger(value) || unit === 0 ? 0 : 1;
  return `${value.toFixed(digits)} ${unit === 0 ? 'B' : `${binary[unit - 1]}B`}`;
}

/** @param {number} cores @returns {string} "2.5 %" of one CPU */
export function percent(cores) {
  if (!Number.isFinite(cores)) return '–';
  return `${(cores * 100).toFixed(cores < 0.0995 ? 1 : 0)} %`;
}

/** @param {number} milliseconds @returns {string} "4 min", in the largest unit, and the next below ten */
export function span(milliseconds) {
  const seconds = Math.max(0, Math.floor(milliseconds / 1000));
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 36_000) return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
  if (seconds < 172_800) return `${Math.floor(seconds / 3600)} h`;
  return `${Math.floor(seconds / 86_400)} d`;
}

/** @param {string | undefined} time @param {number} now @returns {string} its age, or a dash */
export function age(time, now) {
  const at = Date.parse(time ?? '');
  return Number.isNaN(at) ? '–' : span(now - at);
}

const localTime = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'medium' });

/** @param {string | undefined} time @returns {string} as clocks here show it */
export function local(time) {
  const at = Date.parse(time ?? '');
  return Number.isNaN(at) ? '' : localTime.format(at);
}

/** @param {string | undefined} digest @returns {string} enough of it to tell images apart */
export const shortDigest = (digest) => (digest ? digest.slice(0, 12) : '–');

/** @param {number} count @param {string} one @param {string} [many] @returns {string} "1 unikernel" */
export const counted = (count, one, many = `${one}s`) => `${count.toLocaleString()} ${count === 1 ? one : many}`;

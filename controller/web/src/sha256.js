// The SHA-256 of a file of any size, piece by piece: what browsers have for it wants it in memory as a whole.

const constants = new Uint32Array(64);
const initial = new Uint32Array(8);
for (let candidate = 2, found = 0; found < 64; ++candidate) {
  let isPrime = true;
  for (let divisor = 2; divisor * divisor <= candidate; ++divisor) if (candidate % divisor === 0) isPrime = false;
  if (!isPrime) continue;
  // The first bits of the fractional part of a root.
  const fraction = (/** @type {number} */ root) => Math.floor((root - Math.floor(root)) * 2 ** 32);
  if (found < 8) initial[found] = fraction(Math.sqrt(candidate));
  constants[found++] = fraction(Math.cbrt(candidate));
}

export class Sha256 {
  #state = Uint32Array.from(initial);
  #block = new Uint8Array(64);
  #filled = 0;
  #length = 0;
  #words = new Uint32Array(64);

  /** @param {Uint8Array} bytes */
  update(bytes) {
    this.#length += bytes.length;
    let at = 0;
    if (this.#filled > 0) {
      at = Math.min(64 - this.#filled, bytes.length);
      this.#block.set(bytes.subarray(0, at), this.#filled);
      this.#filled += at;
      if (this.#filled < 64) return;
      this.#compress(this.#block, 0);
      this.#filled = 0;
    }
    for (; at + 64 <= bytes.length; at += 64) this.#compress(bytes, at);
    this.#block.set(bytes.subarray(at));
    this.#filled = bytes.length - at;
  }

  /** @returns {string} in hexadecimal digits */
  finish() {
    const length = this.#length;
    const padding = new Uint8Array(((119 - (length % 64)) % 64) + 9);
    padding[0] = 0x80;
    const view = new DataView(padding.buffer);
    view.setUint32(padding.length - 8, Math.floor(length / 2 ** 29));
    view.setUint32(padding.length - 4, (length * 8) >>> 0);
    this.update(padding);
    return [...this.#state].map((word) => word.toString(16).padStart(8, '0')).join('');
  }

  /** @param {Uint8Array} bytes @param {number} at */
  #compress(bytes, at) {
    const w = /** @type {any} */ (this.#words);
    const k = /** @type {any} */ (constants);
    const data = /** @type {any} */ (bytes);
    for (let i = 0, j = at; i < 16; ++i, j += 4) w[i] = (data[j] << 24) | (data[j + 1] << 16) | (data[j + 2] << 8) | data[j + 3];
    for (let i = 16; i < 64; ++i) {
      const x = w[i - 15];
      const y = w[i - 2];
      const s0 = ((x >>> 7) | (x << 25)) ^ ((x >>> 18) | (x << 14)) ^ (x >>> 3);
      const s1 = ((y >>> 17) | (y << 15)) ^ ((y >>> 19) | (y << 13)) ^ (y >>> 10);
      w[i] = (w[i - 16] + s0 + w[i - 7] + s1) | 0;
    }
    let [a, b, c, d, e, f, g, h] = /** @type {any} */ (this.#state);
    for (let i = 0; i < 64; ++i) {
      const s1 = ((e >>> 6) | (e << 26)) ^ ((e >>> 11) | (e << 21)) ^ ((e >>> 25) | (e << 7));
      const t1 = (h + s1 + ((e & f) ^ (~e & g)) + k[i] + w[i]) | 0;
      const s0 = ((a >>> 2) | (a << 30)) ^ ((a >>> 13) | (a << 19)) ^ ((a >>> 22) | (a << 10));
      const t2 = (s0 + ((a & b) ^ (a & c) ^ (b & c))) | 0;
      h = g;
      g = f;
      f = e;
      e = (d + t1) | 0;
      d = c;
      c = b;
      b = a;
      a = (t1 + t2) | 0;
    }
    const state = /** @type {any} */ (this.#state);
    [a, b, c, d, e, f, g, h].forEach((value, index) => (state[index] += value));
  }
}

/** The pieces of a file, each in the memory of the one before: what is left behind is collected too late to matter for
 * a large file. Where a browser cannot do that, in memory of their own. @param {Blob} file @returns {AsyncGenerator<Uint8Array>} */
async function* piecesOf(file) {
  const size = 1 << 18;
  /** @type {ReadableStreamBYOBReader} */
  let reader;
  try {
    reader = file.stream().getReader({ mode: 'byob' });
  } catch {
    for (let at = 0; at < file.size; at += size) yield new Uint8Array(await file.slice(at, at + size).arrayBuffer());
    return;
  }
  try {
    for (let buffer = new ArrayBuffer(size); ; ) {
      const { done, value } = await reader.read(new Uint8Array(buffer));
      if (done || value === undefined) return;
      yield value;
      buffer = /** @type {ArrayBuffer} */ (value.buffer);
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

/** @param {Blob} file @param {(done: number) => void} progress in bytes @param {AbortSignal} signal @returns {Promise<string>} */
export async function digestOf(file, progress, signal) {
  const hash = new Sha256();
  let done = 0;
  for await (const piece of piecesOf(file)) {
    signal.throwIfAborted();
    hash.update(piece);
    done += piece.length;
    progress(done);
  }
  return hash.finish();
}

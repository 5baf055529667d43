// The objects of the API as they are now: listed once, then watched. A view says what it needs, and gets it for as
// long as it is shown; what two views need is asked for once.
import { useEffect, useState } from './html.js';
import { ApiError, session, wordsOf } from './session.js';

/** @typedef {import('./types.js').KubeObject} KubeObject */

export const group = '/apis/rookery.dev/v1alpha1';
const pageSize = 1000;
const longestDelay = 8_000;
const silence = 150_000;  // a watch says something every minute
const lingering = 2_000;  // until nobody needs it really: views come and go
const hiddenFor = 30_000;  // a browser gives a server few connections, for all of its tabs together

/** @param {KubeObject} object @returns {string} */
export const keyOf = (object) => `${object.metadata.namespace ?? ''}/${object.metadata.name}`;

/** @param {string} plural @param {string} [namespace] @param {string} [name] */
export function pathOf(plural, namespace, name) {
  const scope = namespace ? `/namespaces/${encodeURIComponent(namespace)}` : '';
  return `${group}${scope}/${plural}${name === undefined ? '' : `/${encodeURIComponent(name)}`}`;
}

/** @param {number} milliseconds @param {AbortSignal} signal */
function pause(milliseconds, signal) {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      removeEventListener('online', done);
      resolve(undefined);
    };
    const timer = setTimeout(done, milliseconds);
    addEventListener('online', done, { once: true });
    signal.addEventListener('abort', done, { once: true });
  });
}

/** The lines of a body as they come. @param {Response} response @param {() => void} [alive] */
export async function* linesOf(response, alive = () => {}) {
  const reader = /** @type {ReadableStream<Uint8Array>} */ (response.body).getReader();
  const decoder = new TextDecoder();
  let rest = '';
  try {
    for (;;) {
      const { done, value } = await reader.read().catch(() => {
        throw new ApiError(0, 'The connection was cut.');
      });
      if (done) break;
      alive();
      const lines = (rest + decoder.decode(value, { stream: true })).split('\n');
      rest = lines.pop() ?? '';
      yield lines;
    }
    if (rest !== '') yield [rest];
  } finally {
    reader.cancel().catch(() => {});
  }
}

/** Objects of one kind, of all namespaces or one; or one object. Tells of each change, at most once in a frame. */
export class Collection extends EventTarget {
  /** @type {Map<string, KubeObject>} */
  items = new Map();
  /** Grows with each change. */
  revision = 0;
  /** @type {'loading' | 'live' | 'lost' | 'refused'} */
  state = 'loading';
  /** @type {number | undefined} when it was lost */
  since;
  error = '';
  #path;
  #selector;
  #needed = 0;
  /** @type {AbortController | undefined} */
  #running;
  #version = '';
  #telling = false;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #ending;

  /** @param {string} path @param {string} [name] of the one object that is meant */
  constructor(path, name) {
    super();
    this.#path = path;
    this.#selector = name === undefined ? '' : `&fieldSelector=${encodeURIComponent(`metadata.name=${name}`)}`;
  }

  /** Follows it until the function that is returned is called. */
  need() {
    ++this.#needed;
    clearTimeout(this.#ending);
    if (this.#running === undefined) this.#start();
    return () => {
      if (--this.#needed > 0) return;
      this.#ending = setTimeout(() => this.#stop(), lingering);
      this.#tell();
    };
  }

  get isNeeded() {
    return this.#needed > 0;
  }

  /** Lets go of the connection, and takes up again where that was. @param {boolean} hidden */
  hide(hidden) {
    if (hidden) this.#stop();
    else if (this.#needed > 0 && this.#running === undefined && this.state !== 'refused') this.#start();
  }

  /** Does not wait any longer before it tries again. */
  retry() {
    dispatchEvent(new Event('online'));
  }

  #start() {
    this.#running = new AbortController();
    void this.#follow(this.#running.signal);
  }

  #stop() {
    this.#running?.abort();
    this.#running = undefined;
  }

  #tell() {
    ++this.revision;
    if (this.#telling) return;
    this.#telling = true;
    const tell = () => {
      this.#telling = false;
      this.dispatchEvent(new Event('change'));
    };
    if (document.hidden) setTimeout(tell, 200);
    else requestAnimationFrame(tell);
  }

  /** @param {Collection['state']} state @param {string} [error] */
  #become(state, error = '') {
    if (state === this.state && error === this.error) return;
    if (state === 'lost' && this.state !== 'lost') this.since = Date.now();
    this.state = state;
    this.error = error;
    this.#tell();
  }

  /** @param {AbortSignal} signal */
  async #follow(signal) {
    let attempts = 0;
    while (!signal.aborted) {
      try {
        if (this.#version === '') await this.#list(signal);
        await this.#watch(signal, () => (attempts = 0));
      } catch (error) {
        if (signal.aborted) return;
        // What it went on from is not known there any more, or never was: another process answers.
        const answered = error instanceof ApiError && error.status > 0;
        if (answered) this.#version = '';
        if (answered && error.status === 410) continue;
        if (error instanceof ApiError && (error.status === 401 || error.status === 403)) {
          this.#become('refused', error.message);
          return;
        }
        this.#become('lost', wordsOf(error));
        const delay = Math.min(longestDelay, 500 * 2 ** attempts++);
        await pause(delay * (0.75 + Math.random() / 2), signal);
      }
    }
  }

  /** All there is, in pages; what is there of it is shown meanwhile, unless there is something to show already.
   * @param {AbortSignal} signal */
  async #list(signal) {
    const first = this.items.size === 0;
    /** @type {Map<string, KubeObject>} */
    const found = new Map();
    let more = '';
    do {
      const page = await session.json(`${this.#path}?limit=${pageSize}${more}${this.#selector}`, { signal });
      for (const object of page.items) found.set(keyOf(object), object);
      if (first) {
        this.items = found;
        this.#tell();
      }
      this.#version = page.metadata.resourceVersion;
      more = page.metadata.continue ? `&continue=${encodeURIComponent(page.metadata.continue)}` : '';
    } while (more !== '');
    this.items = found;
    this.#become('live');
    this.#tell();
  }

  /** @param {AbortSignal} signal @param {() => void} connected */
  async #watch(signal, connected) {
    const own = new AbortController();
    const abort = () => own.abort();
    signal.addEventListener('abort', abort, { once: true });
    let timer = setTimeout(abort, silence);
    const alive = () => {
      clearTimeout(timer);
      timer = setTimeout(abort, silence);
    };
    try {
      const parameters = `watch=true&allowWatchBookmarks=true&resourceVersion=${this.#version}`;
      const response = await session.fetch(`${this.#path}?${parameters}${this.#selector}`, { signal: own.signal });
      connected();
      this.#become('live');
      for await (const lines of linesOf(response, alive)) {
        for (const line of lines) if (line !== '') this.#take(JSON.parse(line));
      }
      if (!signal.aborted) await pause(200, signal);  // it ended in peace: after its time, say
    } finally {
      clearTimeout(timer);
      signal.removeEventListener('abort', abort);
      own.abort();
    }
  }

  /** @param {{type: string, object: any}} event */
  #take({ type, object }) {
    if (type === 'ERROR') throw new ApiError(object.code ?? 500, object.message ?? 'the watch failed');
    this.#version = object.metadata.resourceVersion;
    if (type === 'BOOKMARK') return;
    if (type === 'DELETED') this.items.delete(keyOf(object));
    else this.items.set(keyOf(object), object);
    this.#tell();
  }
}

/** @type {Map<string, Collection>} */
const collections = new Map();
/** @type {ReturnType<typeof setTimeout> | undefined} */
let hiding;
document.addEventListener('visibilitychange', () => {
  clearTimeout(hiding);
  const hide = () => collections.forEach((collection) => collection.hide(document.hidden));
  if (document.hidden) hiding = setTimeout(hide, hiddenFor);
  else hide();
});

/** Another sits here now: nothing of what the one before was shown stays. */
export function forgetAll() {
  for (const collection of collections.values()) collection.hide(true);
  collections.clear();
}

/** What is followed, and does not come. @returns {Collection | undefined} */
export function lost() {
  return [...collections.values()].find((collection) => collection.isNeeded && collection.state === 'lost');
}

/** @param {string} plural @param {string} [namespace] @param {string} [name] @returns {Collection} */
export function collectionOf(plural, namespace, name) {
  const path = pathOf(plural, namespace);
  const key = `${path} ${name ?? ''}`;
  let collection = collections.get(key);
  if (collection === undefined) {
    collection = new Collection(path, name);
    collection.addEventListener('change', () => dispatchEvent(new Event('rookery-connection')));
    collections.set(key, collection);
  }
  return collection;
}

/** A view's part of the store, which renders it again with each change. @param {Collection} collection */
export function useCollection(collection) {
  const [, render] = useState(0);
  useEffect(() => {
    const release = collection.need();
    const changed = () => render((/** @type {number} */ count) => count + 1);
    collection.addEventListener('change', changed);
    changed();
    return () => {
      collection.removeEventListener('change', changed);
      release();
    };
  }, [collection]);
  return collection;
}

/** Asks for the rows of a list rather than for its objects: what columns show, and metadata. */
export const asTable = 'application/json;as=Table;g=meta.k8s.io;v=v1';

/** What the view asks for itself, again and again while it is seen: what the API does not let anybody watch.
 * @template T @param {string | undefined} path @param {number} period in milliseconds @param {string} [accept]
 * @returns {{value: T | undefined, error: string, again: () => void}} */
export function usePolled(path, period, accept) {
  const [answer, setAnswer] = useState({ value: /** @type {any} */ (undefined), error: '' });
  const [turn, setTurn] = useState(0);
  useEffect(() => {
    if (path === undefined) return undefined;
    const control = new AbortController();
    const ask = async () => {
      if (document.hidden) return;
      try {
        const value = await session.json(path, { signal: control.signal, ...(accept ? { accept } : {}) });
        setAnswer({ value, error: '' });
      } catch (error) {
        if (!control.signal.aborted) setAnswer((/** @type {any} */ before) => ({ ...before, error: wordsOf(error) }));
      }
    };
    void ask();
    const timer = setInterval(ask, period);
    return () => {
      control.abort();
      clearInterval(timer);
    };
  }, [path, period, turn]);
  return { ...answer, again: () => setTurn((/** @type {number} */ count) => count + 1) };
}

/** Whether whoever sits here may do that; undefined until it is known.
 * @param {import('./types.js').Attributes} attributes @returns {import('./types.js').Verdict | undefined} */
export function useCan(attributes) {
  const [verdict, setVerdict] = useState(/** @type {any} */ (undefined));
  const key = JSON.stringify(attributes);
  useEffect(() => {
    let wanted = true;
    session.can(JSON.parse(key)).then(
      (answer) => wanted && setVerdict(answer),
      (error) => wanted && setVerdict({ allowed: false, reason: wordsOf(error) }),
    );
    return () => {
      wanted = false;
    };
  }, [key]);
  return verdict;
}

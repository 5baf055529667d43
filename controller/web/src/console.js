// What a unikernel prints, as it does: followed, searched, and taken up again where the connection was cut.
import { html, useEffect, useLayoutEffect, useMemo, useRef, useState } from './html.js';
import { local } from './format.js';
import { ApiError, session, wordsOf } from './session.js';
import { linesOf, pathOf } from './store.js';

const keptLines = 5000;
const shownLines = 1500;

/** @typedef {{number: number, time: string, text: string}} Line */

/** Reads one console for as long as it is shown. */
class Console extends EventTarget {
  /** @type {Line[]} */
  lines = [];
  state = 'connecting';
  error = '';
  #count = 0;
  #control = new AbortController();
  #telling = false;

  /** @param {string} path */
  constructor(path) {
    super();
    void this.#read(path);
  }

  end() {
    this.#control.abort();
  }

  /** @param {string} state @param {string} [error] */
  #become(state, error = '') {
    this.state = state;
    this.error = error;
    this.#tell();
  }

  #tell() {
    if (this.#telling) return;
    this.#telling = true;
    requestAnimationFrame(() => {
      this.#telling = false;
      this.dispatchEvent(new Event('change'));
    });
  }

  /** @param {string} path */
  async #read(path) {
    const { signal } = this.#control;
    for (let attempts = 0; !signal.aborted; ++attempts) {
      try {
        const from = this.lines.at(-1)?.time;
        const since = from ? `&sinceTime=${encodeURIComponent(from)}` : '&tailLines=1000';
        const response = await session.fetch(`${path}&follow=true&timestamps=true&allLives=true${since}`, { signal });
        this.#become('live');
        attempts = 0;
        // Of what was printed at that time, some is there already.
        const seen = new Set(this.lines.filter((line) => line.time === from).map((line) => line.text));
        for await (const lines of linesOf(response)) this.#take(lines, from, seen);
        if (!signal.aborted) this.#become('ended', 'Nothing more came. Trying again.');
      } catch (error) {
        if (signal.aborted) return;
        const final = error instanceof ApiError && [401, 403, 404].includes(error.status);
        this.#become(final ? 'refused' : 'lost', wordsOf(error));
        if (final) return;
      }
      await new Promise((resolve) => setTimeout(resolve, Math.min(15_000, 1000 * 2 ** attempts)));
    }
  }

  /** @param {string[]} lines @param {string | undefined} from @param {Set<string>} seen */
  #take(lines, from, seen) {
    for (const line of lines) {
      if (line === '') continue;
      const blank = line.indexOf(' ');
      const stamped = /^\d{4}-\d\d-\d\dT/.test(line);
      const time = stamped ? line.slice(0, blank) : '';
      const text = stamped ? line.slice(blank + 1) : line;
      if (from !== undefined && (time < from || (time === from && seen.has(text)))) continue;
      this.lines.push({ number: ++this.#count, time, text });
    }
    if (this.lines.length > keptLines) this.lines.splice(0, this.lines.length - keptLines);
    this.#tell();
  }
}

/** @param {string} text @param {string} sought */
function marked(text, sought) {
  if (sought === '') return text;
  const parts = [];
  const lower = text.toLowerCase();
  let from = 0;
  for (let at = lower.indexOf(sought); at >= 0 && lower.length === text.length; at = lower.indexOf(sought, from)) {
    parts.push(text.slice(from, at), html`<mark>${text.slice(at, at + sought.length)}</mark>`);
    from = at + sought.length;
  }
  return [...parts, text.slice(from)];
}

/** @param {{namespace: string, name: string, instance: string}} props */
export function ConsoleView({ namespace, name, instance }) {
  const path = `${pathOf('unikernels', namespace, name)}/log?instance=${encodeURIComponent(instance)}`;
  /** @type {{current: Console | null}} */
  const console = useRef(null);
  const output = useRef(/** @type {any} */ (null));
  const [, render] = useState(0);
  const [follow, setFollow] = useState(true);
  const [sought, setSought] = useState('');
  const [times, setTimes] = useState(false);
  useEffect(() => {
    const reader = new Console(path);
    console.current = reader;
    reader.addEventListener('change', () => render((/** @type {number} */ count) => count + 1));
    render((/** @type {number} */ count) => count + 1);
    return () => reader.end();
  }, [path]);
  const lines = console.current?.lines ?? [];
  const last = lines.at(-1)?.number;
  const word = sought.trim().toLowerCase();
  const found = useMemo(
    () => (word === '' ? lines : lines.filter((line) => line.text.toLowerCase().includes(word))),
    [last, lines.length, word, console.current],
  );
  useLayoutEffect(() => {
    if (follow && output.current) output.current.scrollTop = output.current.scrollHeight;
  }, [last, follow, word]);
  const scrolled = () => {
    if (output.current === null) return;  // told late, of what is not there any more
    const { scrollTop, scrollHeight, clientHeight } = output.current;
    const atEnd = scrollHeight - scrollTop - clientHeight < 8;
    if (atEnd !== follow) setFollow(atEnd);
  };
  const reader = console.current;
  const status = {
    connecting: 'Connecting …',
    live: word === '' ? '' : `${found.length} of ${lines.length} lines`,
    ended: reader?.error,
    lost: `${reader?.error} Trying again.`,
    refused: reader?.error,
  }[reader?.state ?? 'connecting'];
  return html`
    <div class="console">
      <div class="tools">
        <label>Search <input type="search" value=${sought} onInput=${(/** @type {any} */ event) => setSought(event.target.value)} autocomplete="off" spellcheck=${false} /></label>
        <label class="check"><input type="checkbox" checked=${follow} onChange=${(/** @type {any} */ event) => setFollow(event.target.checked)} /> Follow</label>
        <label class="check"><input type="checkbox" checked=${times} onChange=${(/** @type {any} */ event) => setTimes(event.target.checked)} /> Times</label>
        <span role="status" class="dim">${status}</span>
      </div>
      <div class="output" role="log" aria-live="off" aria-label="Console of ${namespace}/${name} on ${instance}" tabindex="0" ref=${output} onScroll=${scrolled}>
        ${found.length > shownLines && html`<p class="dim">${found.length - shownLines} earlier lines are not shown: search for them.</p>`}
        ${found.slice(-shownLines).map((line) => html`<div key=${line.number} class="line" title=${local(line.time)}>
          ${times && html`<time class="dim">${local(line.time)}</time> `}<bdi>${marked(line.text, word)}</bdi></div>`)}
        ${lines.length === 0 && reader?.state === 'live' && html`<p class="dim">It has printed nothing yet.</p>`}
      </div>
    </div>
  `;
}

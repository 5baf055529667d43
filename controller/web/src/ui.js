// The small parts that all views are made of.
import { html, useEffect, useLayoutEffect, useRef, useState } from './html.js';
import { age, bytes, local, visible } from './format.js';

/** @typedef {import('./types.js').Tone} Tone */

const glyphs = { bad: '✕', warn: '?', work: '↻', good: '✓', off: '–' };

/** A state in a word, a sign and a colour. @param {{tone: Tone, word: string, title?: string}} props */
export const Badge = ({ tone, word, title }) => html`
  <span class="badge ${tone}" title=${title}><span aria-hidden="true">${glyphs[tone]} </span>${word}</span>
`;

/** The time, again each second or `period`. @param {number} [period] */
export function useNow(period = 1000) {
  const [now, setNow] = useState(Date.now());
  useEffect(() => {
    const timer = setInterval(() => document.hidden || setNow(Date.now()), period);
    return () => clearInterval(timer);
  }, [period]);
  return now;
}

/** How long ago, and the local time beside it or as its title. @param {{time?: string, now: number, full?: boolean}} props */
export function Age({ time, now, full }) {
  if (!time) return html`<span class="dim">–</span>`;
  const ago = age(time, now);
  return full
    ? html`<time datetime=${time}>${local(time)} <span class="dim">(${ago} ago)</span></time>`
    : html`<time datetime=${time} title=${local(time)}>${ago}</time>`;
}

/** So much of so much. `goal`: all of it is what one wants.
 * @param {{label: string, used: number, total: number, show?: (value: number) => string, goal?: boolean}} props */
export function Meter({ label, used, total, show = bytes, goal = false }) {
  const known = Number.isFinite(total) && total > 0;
  const share = known && used > 0 ? Math.min(1, used / total) : 0;
  const tone = goal ? (share < 1 ? 'warn' : 'good') : share >= 0.95 ? 'bad' : share >= 0.8 ? 'warn' : 'good';
  return html`
    <div class="meter">
      <span class="dim">${label}</span>
      <span class="number">${Number.isFinite(used) ? show(used) : '–'}${known ? html` <span class="dim">of ${show(total)}</span>` : ''}</span>
      ${known
        ? html`<div class="bar ${tone}" role="meter" aria-label=${label} aria-valuemin="0" aria-valuemax=${total}
            aria-valuenow=${used || 0} aria-valuetext="${show(used)} of ${show(total)}"><i style=${{ width: `${share * 100}%` }}></i></div>`
        : html`<div class="bar none"></div>`}
    </div>
  `;
}

/** @param {{text: string, label?: string}} props */
export function Copy({ text, label = 'Copy' }) {
  const [done, setDone] = useState('');
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
      setDone('Copied');
    } catch {
      setDone('Select the text to copy it');
    }
    setTimeout(() => setDone(''), 2000);
  };
  return html`<button type="button" class="small" onClick=${copy}>${done || label}</button><span role="status" class="hidden">${done}</span>`;
}

/** A question that must be answered before anything else. @param {{title: string, onClose: () => void, children?: any}} props */
export function Dialog({ title, onClose, children }) {
  const dialog = useRef(/** @type {any} */ (null));
  useLayoutEffect(() => {
    const shown = dialog.current;
    shown.showModal();
    return () => shown.close();  // which leads back to where one was, as long as it is there
  }, []);
  return html`
    <dialog ref=${dialog} aria-labelledby="dialog-title" onCancel=${(/** @type {Event} */ event) => (event.preventDefault(), onClose())}>
      <h2 id="dialog-title">${title}</h2>
      ${children}
    </dialog>
  `;
}

/** Values over time, as a line. @param {{label: string, values: number[], show: (value: number) => string, top?: number}} props */
export function Chart({ label, values, show, top }) {
  const known = values.filter(Number.isFinite);
  const last = known.at(-1);
  const highest = Math.max(top ?? 0, ...known, 1e-9);
  const points = values
    .map((value, index) => [(index / Math.max(1, values.length - 1)) * 200, 46 - (value / highest) * 42])
    .filter(([, y]) => Number.isFinite(y));
  const line = points.map(([x, y]) => `${x?.toFixed(1)},${y?.toFixed(1)}`).join(' ');
  return html`
    <figure class="chart">
      <figcaption><span class="dim">${label}</span> <b>${last === undefined ? '–' : show(last)}</b></figcaption>
      ${known.length > 1
        ? html`<svg viewBox="0 0 200 48" preserveAspectRatio="none" role="img" aria-label="${label}: ${show(last ?? NaN)} now, ${show(Math.max(...known))} at most">
            <polyline points=${line} fill="none" stroke="currentColor" stroke-width="1.5" vector-effect="non-scaling-stroke" />
          </svg>`
        : html`<p class="dim empty">${known.length === 1 ? 'A line comes with the next sample.' : 'No samples yet.'}</p>`}
    </figure>
  `;
}

/** Why there is nothing to see, or what goes wrong. @param {{tone?: string, title: string, children?: any}} props */
export const Notice = ({ tone = '', title, children }) => html`
  <div class="notice ${tone}" role=${tone === 'bad' ? 'alert' : 'status'}><b>${title}</b>${children && html`<div>${children}</div>`}</div>
`;

/** How a list stands that is not there yet, or not any more.
 * @param {{collection: import('./store.js').Collection, what: string}} props */
export function ListState({ collection, what }) {
  if (collection.state === 'refused') return html`<${Notice} title="You may not list ${what}.">${collection.error}<//>`;
  if (collection.state === 'loading' && collection.items.size === 0)
    return html`<p class="dim" role="status">Loading ${what} …</p>`;
  return null;
}

/** @param {{name: string, children?: any}} props */
export const Fact = ({ name, children }) => html`<div class="fact"><dt>${name}</dt><dd>${children}</dd></div>`;

/** The title of the window says where one is. @param {string} title */
export function useTitle(title) {
  useEffect(() => {
    document.title = `${visible(title)} · Rookery`;
  }, [title]);
}

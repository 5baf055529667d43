// Who sits here, and what they may: one request for who, one for each thing that a view offers. The token is kept as
// long as the tab is open, and goes nowhere but into the header of requests to this server.

/** @typedef {import('./types.js').Attributes} Attributes */
/** @typedef {import('./types.js').Verdict} Verdict */

const storageKey = 'rookery.token';

/** A failure that the API told, or that there is none to tell. `status` 0: it could not be reached. */
export class ApiError extends Error {
  /** @param {number} status @param {string} message @param {{field?: string, message?: string}[]} [causes] */
  constructor(status, message, causes = []) {
    super(message);
    this.status = status;
    this.causes = causes;
  }
}

/** @param {unknown} error @returns {string} */
export const wordsOf = (error) => (error instanceof Error ? error.message : String(error));

/** The failure that a body of the API is: a Status, or a sentence.
 * @param {number} status @param {string} text @returns {ApiError} */
export function failureOf(status, text) {
  try {
    const body = JSON.parse(text);
    return new ApiError(status, String(body.message || text), body.details?.causes ?? []);
  } catch {
    return new ApiError(status, text.trim().slice(0, 500) || `The server answered ${status}.`);
  }
}

class Session extends EventTarget {
  #token = sessionStorage.getItem(storageKey) ?? '';
  /** @type {Map<string, Promise<Verdict>>} */
  #verdicts = new Map();
  /** @type {'asking' | 'in' | 'out' | 'unreachable'} */
  state = 'asking';
  name = '';
  authenticated = false;
  /** @type {string[]} those that the grant names; "*" is all */
  namespaces = [];
  refusal = '';

  get everywhere() {
    return this.namespaces.includes('*');
  }

  /** @returns {Record<string, string>} */
  headers() {
    return this.#token === '' ? {} : { Authorization: `Bearer ${this.#token}` };
  }

  /** Asks the API who sits here. */
  async begin() {
    try {
      const review = await this.json('/apis/authentication.k8s.io/v1/selfsubjectreviews', {
        method: 'POST',
        body: { apiVersion: 'authentication.k8s.io/v1', kind: 'SelfSubjectReview' },
      });
      const user = review.status.userInfo;
      this.name = user.username;
      this.authenticated = user.username !== 'system:anonymous';
      this.namespaces = user.extra?.['rookery.dev/namespaces'] ?? [];
      this.#become('in', '');
    } catch (error) {
      if (error instanceof ApiError && error.status === 401) return;  // json() has told
      this.#become('unreachable', wordsOf(error));
    }
  }

  /** @param {string} token */
  signIn(token) {
    this.#token = token;
    sessionStorage.setItem(storageKey, token);
    this.#verdicts.clear();
    return this.begin();
  }

  signOut() {
    this.#token = '';
    sessionStorage.removeItem(storageKey);
    this.#verdicts.clear();
    this.#become('out', '');
  }

  /** @param {Session['state']} state @param {string} refusal */
  #become(state, refusal) {
    this.state = state;
    this.refusal = refusal;
    this.dispatchEvent(new Event('change'));
  }

  /** A request to the API; an ApiError where it fails. 401 ends the session.
   * @param {string} path
   * @param {{method?: string, body?: unknown, type?: string, accept?: string, signal?: AbortSignal}} [options]
   * @returns {Promise<Response>} */
  async fetch(path, { method = 'GET', body, type = 'application/json', accept, signal } = {}) {
    /** @type {Response} */
    let response;
    try {
      response = await fetch(path, {
        method,
        headers: { ...this.headers(), ...(body === undefined ? {} : { 'Content-Type': type }), ...(accept ? { Accept: accept } : {}) },
        body: body === undefined ? null : JSON.stringify(body),
        signal: signal ?? null,
        cache: 'no-store',
        redirect: 'error',
      });
    } catch (error) {
      if (signal?.aborted) throw error;
      throw new ApiError(0, 'The server cannot be reached.');
    }
    if (response.ok) return response;
    const failure = failureOf(response.status, await response.text());
    if (response.status === 401) this.refused(failure.message);
    throw failure;
  }

  /** The token counts for nothing, or not any more. @param {string} message */
  refused(message) {
    const sent = this.#token !== '';
    this.#token = '';
    sessionStorage.removeItem(storageKey);
    this.#become('out', sent ? message : '');
  }

  /** @param {string} path @param {Parameters<Session['fetch']>[1]} [options] @returns {Promise<any>} */
  async json(path, options) {
    return (await this.fetch(path, options)).json();
  }

  /** Whether whoever sits here may do that, by SelfSubjectAccessReview: what kubectl auth can-i asks.
   * @param {Attributes} attributes @returns {Promise<Verdict>} */
  can(attributes) {
    const asked = { group: 'rookery.dev', ...attributes };
    const key = JSON.stringify(asked);
    let verdict = this.#verdicts.get(key);
    if (verdict === undefined) {
      verdict = this.json('/apis/authorization.k8s.io/v1/selfsubjectaccessreviews', {
        method: 'POST',
        body: {
          apiVersion: 'authorization.k8s.io/v1',
          kind: 'SelfSubjectAccessReview',
          spec: { resourceAttributes: asked },
        },
      }).then((review) => review.status);
      this.#verdicts.set(key, verdict);
      // A grant may change; and what was not answered is asked again.
      setTimeout(() => this.#verdicts.delete(key), 60_000);
      verdict.catch(() => this.#verdicts.delete(key));
    }
    return verdict;
  }
}

export const session = new Session();

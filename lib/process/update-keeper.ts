/**
 * `dynamic-update`: maps and ACLs that are fetched from a URL on an interval, in the control thread, and changed in all
 * threads at once (as HAProxy Enterprise's update module does). What cannot be fetched, is too large, or has one line
 * that is no pattern changes nothing: what was there is kept, and said once until it is well again.
 *
 * Files are not written. A reload reads them again and then puts what was fetched last on top, before the new threads
 * accept, if the line still asks for the same.
 *
 * A set that is looked up by key is changed entry by entry, so that a large map with one news costs one change. Where
 * the first match counts (`beg`, `reg`, ...) the order is the file's, and the set is filled anew.
 */
import { createHash } from 'node:crypto';
import http from 'node:http';
import https from 'node:https';
import type { CompiledConfiguration } from '../compile/index.js';
import type { UpdateModel } from '../config/model.js';
import type { Clock, Timer } from '../core/clock.js';
import { systemReason } from '../core/errors.js';
import type { Logger } from '../core/logger.js';
import type { RuntimeChange } from '../runtime-api/runtime-view.js';
import { applyPatternStep, entriesOf, type NewPattern, type PatternStep } from '../sample/pattern-change.js';
import { patternFileLines } from '../sample/pattern-file.js';
import { type MatchMethod, PatternIndex } from '../sample/pattern-index.js';
import type { PatternReference } from '../sample/pattern-registry.js';

/** More is refused: a wrong URL should not fill the memory. */
const MAX_BYTES = 64 * 2 ** 20;

export interface Fetched {
	/** Undefined: not modified since. */
	readonly content: string | undefined;
	readonly lastModified: string | undefined;
}

/** Rejects with a sentence. */
export type Fetch = (
	url: string,
	timeoutMs: number,
	ifModifiedSince: string | undefined,
	signal: AbortSignal,
) => Promise<Fetched>;

/** Without redirects: where the data come from is what the file says. */
export const systemFetch: Fetch = (url, timeoutMs, ifModifiedSince, signal) =>
	new Promise((resolve, reject) => {
		const headers = ifModifiedSince === undefined ? {} : { 'if-modified-since': ifModifiedSince };
		const get = url.startsWith('https:') ? https.get : http.get;
		const request = get(url, { headers, timeout: timeoutMs, signal, agent: false }, (response) => {
			const { statusCode = 0 } = response;
			const lastModified = response.headers['last-modified'];
			if (statusCode === 304 && ifModifiedSince !== undefined) {
				response.resume();
				resolve({ content: undefined, lastModified });
				return;
			}
			if (statusCode !== 200) {
				response.resume();
				reject(new Error(`status ${statusCode}`));
				return;
			}
			const chunks: Buffer[] = [];
			let length = 0;
			response.on('data', (chunk: Buffer) => {
				length += chunk.length;
				if (length > MAX_BYTES) request.destroy(new Error(`more than ${MAX_BYTES} bytes`));
				else chunks.push(chunk);
			});
			response.on('end', () => resolve({ content: Buffer.concat(chunks).toString('latin1'), lastModified }));
			response.on('error', reject);
		});
		request.on('timeout', () => request.destroy(new Error(`no answer within ${timeoutMs} ms`)));
		request.on('error', reject);
	});

export interface UpdateStatus {
	readonly model: UpdateModel;
	/** Milliseconds to the next fetch; undefined while one is under way. */
	readonly nextInMs: number | undefined;
	readonly updateCount: number;
	readonly failureCount: number;
	/** Why the last fetch failed; undefined: it did not. */
	readonly trouble: string | undefined;
}

type Tell = (change: RuntimeChange) => void;

export interface UpdateKeeperOptions {
	readonly clock: Clock;
	readonly logger: Pick<Logger, 'info' | 'warn'>;
	readonly fetch?: Fetch;
}

export class UpdateKeeper {
	readonly #options: UpdateKeeperOptions;
	#updates: Update[] = [];

	constructor(options: UpdateKeeperOptions) {
		this.#options = options;
	}

	/** In place of the configuration before; before its threads accept. */
	serve(compiled: Pick<CompiledConfiguration, 'model' | 'patterns'>, tell: Tell): void {
		const former = this.#updates;
		for (const update of former) update.stop();
		this.#updates = compiled.model.updates.flatMap((model) => {
			const reference = compiled.patterns.find(model.id, model.kind);
			// The reader of the configuration has warned of what nobody uses.
			if (reference === undefined) return [];
			const update = new Update(model, reference, this.#options, tell);
			const known = former.find((one) => one.key === update.key);
			if (known !== undefined) update.takeOver(known);
			update.start();
			return [update];
		});
	}

	stop(): void {
		for (const update of this.#updates.splice(0)) update.stop();
	}

	status(): readonly UpdateStatus[] {
		return this.#updates.map((update) => update.status());
	}

	/** `lb-update force-update`; false when there is no such file. */
	force(id: string): boolean {
		const updates = this.#updates.filter(({ model }) => model.id === id);
		for (const update of updates) update.begin();
		return updates.length > 0;
	}
}

class Update {
	readonly model: UpdateModel;
	readonly key: string;
	readonly #reference: PatternReference;
	readonly #options: UpdateKeeperOptions;
	readonly #tell: Tell;
	#timer: Timer | undefined;
	#nextAtMs = 0;
	#abort: AbortController | undefined;
	#content: string | undefined;
	#digest = '';
	#lastModified: string | undefined;
	#triesLeft = 0;
	#trouble: string | undefined;
	#updateCount = 0;
	#failureCount = 0;
	#stopped = false;

	constructor(model: UpdateModel, reference: PatternReference, options: UpdateKeeperOptions, tell: Tell) {
		this.model = model;
		this.key = `${model.kind} ${model.id} ${model.url}`;
		this.#reference = reference;
		this.#options = options;
		this.#tell = tell;
	}

	start(): void {
		this.#schedule(this.model.startMs);
	}

	stop(): void {
		this.#stopped = true;
		this.#timer?.cancel();
		this.#abort?.abort();
	}

	/** What was fetched before a reload stands in no file. */
	takeOver(former: Update): void {
		if (former.#content === undefined || this.#apply(former.#content) !== undefined) return;
		this.#lastModified = former.#lastModified;
		this.#updateCount = former.#updateCount;
		this.#failureCount = former.#failureCount;
	}

	status(): UpdateStatus {
		const nextInMs =
			this.#abort === undefined ? Math.max(0, this.#nextAtMs - this.#options.clock.monotonicMs()) : undefined;
		const { model } = this;
		return {
			model,
			nextInMs,
			updateCount: this.#updateCount,
			failureCount: this.#failureCount,
			trouble: this.#trouble,
		};
	}

	/** Now, unless it is under way. */
	begin(): void {
		if (this.#abort !== undefined) return;
		this.#triesLeft = this.model.retries;
		void this.#try();
	}

	#schedule(delayMs: number, again: () => void = () => this.begin()): void {
		if (this.#stopped) return;
		this.#timer?.cancel();
		this.#nextAtMs = this.#options.clock.monotonicMs() + delayMs;
		this.#timer = this.#options.clock.setTimer(again, delayMs);
	}

	async #try(): Promise<void> {
		this.#timer?.cancel();
		const abort = new AbortController();
		this.#abort = abort;
		const { url, timeoutMs, ifModified } = this.model;
		const fetch = this.#options.fetch ?? systemFetch;
		let trouble: string | undefined;
		try {
			const fetched = await fetch(url, timeoutMs, ifModified ? this.#lastModified : undefined, abort.signal);
			if (this.#stopped) return;
			if (fetched.content !== undefined) {
				trouble = this.#apply(fetched.content);
				if (trouble === undefined) this.#lastModified = fetched.lastModified;
			}
		} catch (error) {
			trouble = systemReason(error);
		} finally {
			this.#abort = undefined;
		}
		if (this.#stopped) return;
		if (trouble === undefined) this.#succeeded();
		else this.#failed(trouble);
	}

	#succeeded(): void {
		if (this.#trouble !== undefined) this.#options.logger.warn({ id: this.model.id }, 'dynamic-update works again');
		this.#trouble = undefined;
		this.#schedule(this.model.delayMs);
	}

	#failed(trouble: string): void {
		if (this.#triesLeft-- > 0) {
			this.#schedule(this.model.retryMs, () => void this.#try());
			return;
		}
		this.#failureCount++;
		const { id, url, delayMs } = this.model;
		if (this.#trouble === undefined) {
			this.#options.logger.warn({ id, url, reason: trouble }, 'dynamic-update failed, what was there is kept');
		}
		this.#trouble = trouble;
		this.#schedule(delayMs);
	}

	/** Undefined: done, or nothing new. Else what is wrong with the content; nothing has changed then. */
	#apply(content: string): string | undefined {
		const digest = createHash('sha256').update(content, 'latin1').digest('hex');
		if (digest === this.#digest) return undefined;
		const patterns: NewPattern[] = [];
		for (const { number, pattern, data } of patternFileLines(content, this.model.kind === 'map')) {
			const trouble = this.#patternTrouble(pattern);
			if (trouble !== undefined) return `line ${number}: ${trouble}`;
			patterns.push({ text: pattern, data });
		}
		const steps = changesTo(this.#reference, patterns);
		for (const step of steps) applyPatternStep(this.#reference, step);
		const { id, usedBy } = this.#reference;
		if (steps.length > 0) this.#tell({ kind: 'patterns', usedBy, id, steps });
		this.#digest = digest;
		this.#content = content;
		this.#updateCount++;
		if (this.model.logs && this.model.logsNormal) {
			this.#options.logger.info({ id: this.model.id, entries: patterns.length }, 'dynamic-update: updated');
		}
		return undefined;
	}

	/** In any of the ways the set is matched. */
	#patternTrouble(text: string): string | undefined {
		for (const { method } of this.#reference.indexes.values()) {
			const added = new PatternIndex(method).add(text);
			if ('error' in added) return added.error;
		}
		return undefined;
	}
}

/** Of these the best match is found, in whatever order they stand. */
const BY_KEY: ReadonlySet<MatchMethod> = new Set<MatchMethod>(['str', 'ip']);

/** The steps that turn a set into these patterns. */
export function changesTo(reference: PatternReference, patterns: readonly NewPattern[]): PatternStep[] {
	const wanted = new Map(patterns.map(({ text, data }) => [text, data]));
	const known = [...entriesOf(reference)];
	const isByKey = [...reference.indexes.values()].every(({ method }) => BY_KEY.has(method));
	const isUnique = wanted.size === patterns.length && new Set(known.map(({ text }) => text)).size === known.length;
	if (!isByKey || !isUnique) {
		return [{ step: 'clear' }, ...patterns.map((pattern): PatternStep => ({ step: 'add', ...pattern }))];
	}
	const steps: PatternStep[] = [];
	for (const { text, data } of known) {
		const value = wanted.get(text);
		if (value === undefined) steps.push({ step: 'delete', selector: { text } });
		else if (value !== data) steps.push({ step: 'put', text, data: value });
		wanted.delete(text);
	}
	for (const [text, data] of wanted) steps.push({ step: 'put', text, data });
	return steps;
}

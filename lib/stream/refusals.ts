/**
 * Which rule last refused whom: for each request that a rule refuses, and each entry it tracks, one record in a ring
 * of shared memory that belongs to this thread. Four words, no text and no allocation, because this is the path that
 * runs hot under an attack; the control thread reads the rings every few seconds and shows the rule beside the key.
 *
 * It gives up certainty: an entry that was removed and its place taken by another key between the record and the
 * reading shows the rule at the wrong key. A refused entry was touched just then, so it is the last to be removed.
 */
import type { ConfigModel } from '../config/model.js';
import { tick } from '../core/clock.js';
import type { StickTable } from '../stick-table/table.js';
import type { Stream } from './stream.js';

const RECORDS = 256;
const RECORD_WORDS = 4;
/** How many records were ever written, then the records. */
const RING_WORDS = 4 + RECORDS * RECORD_WORDS;

export interface Refusal {
	readonly table: number;
	readonly entry: number;
	readonly file: string;
	readonly line: number;
	/** Low 32 bits of the monotonic clock. */
	readonly atTick: number;
}

export function allocateRefusals(threadCount: number): SharedArrayBuffer {
	return new SharedArrayBuffer(threadCount * RING_WORDS * 4);
}

/** Files that rules stand in, in the order in which the model names them: the same in every thread. */
export function ruleFiles(model: ConfigModel): string[] {
	const files = new Set<string>();
	for (const proxy of model.proxies) {
		files.add(proxy.place.file);
		for (const rules of [proxy, proxy.inheritedRules]) {
			if (rules === undefined) continue;
			const sets = [rules.tcpRequestConnection, rules.tcpRequestSession, rules.tcpRequestContent, rules.httpRequest];
			for (const set of sets) for (const line of set) files.add(line.place.file);
		}
	}
	return [...files];
}

export class RefusalRing {
	readonly #words: Int32Array;
	readonly #files: ReadonlyMap<string, number>;
	readonly #tables: ReadonlyMap<StickTable, number>;

	constructor(buffer: SharedArrayBuffer, thread: number, files: readonly string[], tables: Iterable<StickTable>) {
		this.#words = new Int32Array(buffer, thread * RING_WORDS * 4, RING_WORDS);
		this.#files = new Map(files.map((file, index) => [file, index]));
		this.#tables = new Map([...tables].map((table, index) => [table, index]));
	}

	note(stream: Stream): void {
		const { decisionFile } = stream;
		if (decisionFile === undefined) return;
		const file = this.#files.get(decisionFile);
		if (file === undefined) return;
		const { ownTrackers, session } = stream;
		if (ownTrackers !== undefined) for (const tracked of ownTrackers) this.#record(tracked, file, stream);
		for (const tracked of session.trackers) this.#record(tracked, file, stream);
	}

	#record(
		tracked: { readonly table: StickTable; readonly entry: number } | undefined,
		file: number,
		stream: Stream,
	): void {
		if (tracked === undefined) return;
		const table = this.#tables.get(tracked.table);
		if (table === undefined) return;
		const words = this.#words;
		const count = words[0] as number;
		const at = 4 + (count % RECORDS) * RECORD_WORDS;
		words[at] = table;
		words[at + 1] = tracked.entry;
		words[at + 2] = (file << 24) | (stream.decisionLine & 0xffffff);
		words[at + 3] = tick(stream.nowMs) | 0;
		Atomics.store(words, 0, (count + 1) & 0x7fffffff);
	}
}

/** For the control thread: what all rings got since it looked last, at most a ring of each thread. */
export class RefusalReader {
	readonly #words: Int32Array;
	readonly #files: readonly string[];
	readonly #seen: number[];

	constructor(buffer: SharedArrayBuffer, files: readonly string[]) {
		this.#words = new Int32Array(buffer);
		this.#files = files;
		this.#seen = new Array(this.#words.length / RING_WORDS).fill(0);
	}

	*next(): Generator<Refusal> {
		for (const [thread, seen] of this.#seen.entries()) {
			const start = thread * RING_WORDS;
			const count = Atomics.load(this.#words, start);
			for (let i = Math.max(seen, count - RECORDS); i < count; i++) {
				const at = start + 4 + (i % RECORDS) * RECORD_WORDS;
				const rule = this.#words[at + 2] as number;
				yield {
					table: this.#words[at] as number,
					entry: this.#words[at + 1] as number,
					file: this.#files[rule >>> 24] ?? '?',
					line: rule & 0xffffff,
					atTick: (this.#words[at + 3] as number) >>> 0,
				};
			}
			this.#seen[thread] = count;
		}
	}
}

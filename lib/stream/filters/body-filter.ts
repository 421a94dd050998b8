/**
 * What stands between the body that comes and the body that goes: compression, the cache's copy, limits of
 * bandwidth. A message that has none of them has no chain, and its bytes pass as they were read (native/); this
 * file is not on that path.
 *
 *     engine --write, end--> FilterChain --> filter --> ... --> filter --write, end--> the engine's BodySink
 *
 * Filters see payload without framing; the engine frames what comes out. A filter may answer at once or later
 * (a compressor's thread, a timer). Back-pressure is one figure: `pendingBytes`, what the chain has taken and not yet
 * given on. The engine stops reading while that and what its peer has not yet taken are above its limit, and looks
 * again whenever it is told of progress. So a filter never refuses bytes, and holds little more than a buffer.
 *
 * Bytes that are written belong to the chain. The stream closes its chains when it ends, for whatever reason; nothing
 * comes out afterwards.
 *
 * It gives up: filters that see heads (rules do that), and changing a body without knowing so before its head is sent.
 */

/** Who takes the bytes next. After `end` nothing more is written. */
export interface BodySink {
	write(bytes: Buffer): void;
	end(): void;
}

/** The engine's end of a chain. */
export interface ChainSink extends BodySink {
	/** `pendingBytes` has gone down: the source may have to be woken. Told after pieces are out, too. */
	progressed(): void;
}

/** A filter that broke (a compressor's error): the rest of the body cannot be made. */
export type FilterFailed = (error: Error) => void;

export abstract class BodyFilter implements BodySink {
	/** Set by the chain before the first byte. */
	protected next: BodySink = NOWHERE;
	protected failed: FilterFailed = () => undefined;
	/** To be called when less is pending than before and nothing was given on since. */
	protected progressed: () => void = () => undefined;

	/** Other bytes come out than go in: the engine cannot keep a content-length. */
	get changesLength(): boolean {
		return false;
	}

	/** Bytes taken and not yet given on. */
	get pendingBytes(): number {
		return 0;
	}

	attach(next: BodySink, failed: FilterFailed, progressed: () => void): void {
		this.next = next;
		this.failed = failed;
		this.progressed = progressed;
	}

	abstract write(bytes: Buffer): void;

	end(): void {
		this.next.end();
	}

	/** The message is over, complete or not: timers and memory are given back. Called once. */
	close(): void {}
}

const NOWHERE: ChainSink = { write() {}, end() {}, progressed() {} };

export class FilterChain {
	readonly #filters: readonly BodyFilter[];
	readonly #first: BodySink;
	readonly changesLength: boolean;
	#sink: ChainSink = NOWHERE;
	#failed: FilterFailed = () => undefined;
	#closed = false;

	/** The first filter gets the bytes first. */
	constructor(filters: readonly BodyFilter[]) {
		this.#filters = filters;
		this.changesLength = filters.some((filter) => filter.changesLength);
		let next: BodySink = { write: (bytes) => this.#give(bytes), end: () => this.#giveEnd() };
		for (let i = filters.length - 1; i >= 0; i--) {
			const filter = filters[i] as BodyFilter;
			filter.attach(
				next,
				(error) => this.#fail(error),
				() => this.#progress(),
			);
			next = filter;
		}
		this.#first = next;
	}

	/** Where the engine takes what comes out. Before the first `write`. */
	open(sink: ChainSink, failed: FilterFailed): void {
		this.#sink = sink;
		this.#failed = failed;
	}

	write(bytes: Buffer): void {
		if (!this.#closed && bytes.length > 0) this.#first.write(bytes);
	}

	/** The body is complete; the sink's `end` follows, at once or later. */
	end(): void {
		if (!this.#closed) this.#first.end();
	}

	get pendingBytes(): number {
		let sum = 0;
		for (const filter of this.#filters) sum += filter.pendingBytes;
		return sum;
	}

	close(): void {
		if (this.#closed) return;
		this.#closed = true;
		for (const filter of this.#filters) filter.close();
	}

	#give(bytes: Buffer): void {
		if (this.#closed || bytes.length === 0) return;
		this.#sink.write(bytes);
		this.#progress();
	}

	#progress(): void {
		if (!this.#closed) this.#sink.progressed();
	}

	#giveEnd(): void {
		if (!this.#closed) this.#sink.end();
	}

	#fail(error: Error): void {
		if (this.#closed) return;
		this.close();
		this.#failed(error);
	}
}

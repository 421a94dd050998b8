/**
 * A body that is made while it is sent (the statistics page, metrics, a stored response): pulled piece by piece from
 * its source into Node's response, as fast as the client takes them. Between two pieces everybody else has a turn.
 */
import type { ServerResponse } from 'node:http';
import type { ReplySource } from '../../rules/stream-control.js';
import type { FilterChain } from '../filters/body-filter.js';
import type { Stream } from '../stream.js';

/** What the feed needs of its exchange. */
export interface FeedHost {
	readonly stream: Stream;
	/** Runs a turn, unless the exchange is over; what it throws ends the exchange. */
	guard(work: () => void): void;
	/** False: it has gone, and the exchange knows. */
	checkClient(): boolean;
	/** It is the client that is waited for from now on, or no longer. */
	awaitClient(isAwaited: boolean): void;
}

export class SourceFeed {
	readonly #host: FeedHost;
	readonly #source: ReplySource;
	readonly #response: ServerResponse;
	/** What filters may hold of the body before no more is pulled. */
	readonly #filterLimitBytes: number;
	#isDue = false;
	#isClosed = false;

	constructor(host: FeedHost, source: ReplySource, response: ServerResponse, filterLimitBytes: number) {
		this.#host = host;
		this.#source = source;
		this.#response = response;
		this.#filterLimitBytes = filterLimitBytes;
	}

	start(): void {
		this.#source.onMore = this.pullSoon;
		this.#pull();
	}

	/** In the next turn of the event loop. */
	readonly pullSoon = (): void => {
		if (this.#isDue || this.#isClosed) return;
		this.#isDue = true;
		setImmediate(() => {
			this.#isDue = false;
			this.#host.guard(() => this.#pull());
		});
	};

	#pull(): void {
		const host = this.#host;
		if (this.#isClosed || !host.checkClient()) return;
		const filters: FilterChain | undefined = host.stream.responseFilters;
		if (filters !== undefined && filters.pendingBytes > this.#filterLimitBytes) return;
		const piece = this.#source.pull();
		if (piece === undefined) {
			this.close();
			host.awaitClient(true);
			if (filters === undefined) this.#response.end();
			else filters.end();
			return;
		}
		host.awaitClient(false);
		// Nothing yet: the source says when there is more.
		if (piece.length === 0) return;
		host.stream.responseBodyBytes += piece.length;
		if (filters !== undefined) {
			filters.write(piece);
			this.pullSoon();
		} else if (this.#response.write(piece)) this.pullSoon();
		else host.awaitClient(true);
	}

	close(): void {
		if (this.#isClosed) return;
		this.#isClosed = true;
		this.#source.onMore = undefined;
		this.#source.close();
	}
}

/**
 * The body of a request on its way to the server, in the node engine: what waits in `ClientBody` is written to the
 * `ServerRequest`, through filters where there are some, and the client is held back while the server is slower.
 */
import type { IncomingMessage } from 'node:http';
import { Failure } from '../exchange.js';
import type { FilterChain } from '../filters/body-filter.js';
import type { Stream } from '../stream.js';
import type { ClientBody } from './client-body.js';
import { trailersOf } from './heads.js';
import type { ServerRequest } from './server-request.js';

/** Body bytes that are read and forgotten to keep a connection, after an early answer. */
const DISCARD_BYTES = 256 * 1024;

/** What the relay needs of its exchange. */
export interface RelayHost {
	readonly stream: Stream;
	/** The server has been given something. */
	touchServer(): void;
	/** Nobody waits for the client now: the server is the slower one. */
	clearClientDeadline(): void;
	clientFailed(failure: Failure): void;
	/** Too much has been read that nobody takes. */
	requestIsFutile(): void;
	crashed(error: unknown): void;
}

export class RequestRelay {
	readonly #host: RelayHost;
	readonly #message: IncomingMessage | undefined;
	/** Undefined: the request has none that we read. */
	readonly #body: ClientBody | undefined;
	readonly #isChunked: boolean;
	readonly #filterLimitBytes: number;
	/** The body passes through filters, and has been given to them whole. */
	#isFiltered = false;
	#filtersEnded = false;
	/** Bytes of a request whose server has gone. */
	#discardedBytes = 0;
	/** A byte of it has left: it cannot be sent again. */
	hasSent = false;

	constructor(
		host: RelayHost,
		message: IncomingMessage | undefined,
		body: ClientBody | undefined,
		isChunked: boolean,
		filterLimitBytes: number,
	) {
		this.#host = host;
		this.#message = message;
		this.#body = body;
		this.#isChunked = isChunked;
		this.#filterLimitBytes = filterLimitBytes;
	}

	/** What waits goes to the server; the end too when it has come. */
	send(server: ServerRequest): void {
		const filters = this.#host.stream.requestFilters;
		if (filters !== undefined && this.#message !== undefined) this.#sendFiltered(server, filters);
		else this.#sendPlain(server);
	}

	#sendPlain(server: ServerRequest): void {
		const body = this.#body;
		let takesMore = true;
		if (body !== undefined && !body.isEmpty) {
			this.hasSent = true;
			for (const piece of body.take()) {
				takesMore = server.write(piece);
				if (server.isGone) this.#discardedBytes += piece.length;
			}
			if (this.#discardedBytes > DISCARD_BYTES) {
				this.#host.requestIsFutile();
				return;
			}
			this.#host.touchServer();
		}
		if (body === undefined || body.isComplete) {
			const trailers = trailersOf(this.#message?.rawTrailers ?? []);
			if (trailers === undefined) this.#host.clientFailed(Failure.CLIENT_MALFORMED);
			else server.end(this.#isChunked ? trailers : []);
		} else if (takesMore) body.resume();
		else {
			body.pause();
			this.#host.clearClientDeadline();
		}
	}

	/** Trailers are left out: they may speak of what the body was. */
	#sendFiltered(server: ServerRequest, filters: FilterChain): void {
		const body = this.#body;
		if (!this.#isFiltered) {
			this.#isFiltered = true;
			this.#openFilters(server, filters);
		}
		if (body !== undefined && !body.isEmpty) {
			this.hasSent = true;
			for (const piece of body.take()) filters.write(piece);
			this.#host.touchServer();
		}
		if (body === undefined || body.isComplete) {
			if (!this.#filtersEnded) filters.end();
			this.#filtersEnded = true;
		} else if (filters.pendingBytes > this.#filterLimitBytes) {
			body.pause();
			this.#host.clearClientDeadline();
		} else body.resume();
	}

	#openFilters(server: ServerRequest, filters: FilterChain): void {
		let serverTakes = true;
		filters.open(
			{
				write: (bytes) => {
					serverTakes = server.write(bytes);
					this.#host.touchServer();
				},
				end: () => server.end([]),
				progressed: () => {
					if (serverTakes && filters.pendingBytes <= this.#filterLimitBytes / 2) this.#body?.resume();
				},
			},
			(error) => this.#host.crashed(error),
		);
	}
}

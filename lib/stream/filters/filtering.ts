/**
 * What filters mean to one stream: which of its proxies' filters apply, decided from its heads, and the chains that its
 * bodies pass through. Made for streams that have any; the others never come here.
 *
 * The order over a response's body: the cache's copy first, always of what the server sent; then limits declared before
 * `filter compression`, compression, limits after it. A listen or frontend's limits come before its backend's.
 */
import type { CompressionAlgorithm, CompressionModel } from '../../config/model.js';
import { Column } from '../../shared/counters.js';
import type { Stream } from '../stream.js';
import { BandwidthFilter, type Budget, SharedBudget, StreamBudget } from './bandwidth-limit.js';
import { BodyFilter, FilterChain } from './body-filter.js';
import type { Caching } from './caching.js';
import {
	algorithmFor,
	isUnfitBrowser,
	markCompressedRequest,
	markCompressedResponse,
	mayCompressRequest,
	mayCompressResponse,
} from './coding.js';
import { CompressionFilter } from './compression.js';
import type { BandwidthLimit, ProxyFilters } from './proxy-filters.js';

/** What a rule has said of a limit. */
interface EnabledLimit {
	readonly limit: BandwidthLimit;
	/** Undefined: the filter's own. */
	bytes: number | undefined;
	periodMs: number | undefined;
}

/** Whether the stream or one of its proxies has to do with filters at all. */
export function hasFilters(stream: Stream): boolean {
	return (
		stream.filtering !== undefined ||
		stream.frontend.filters !== undefined ||
		stream.backendTraffic?.filters !== undefined
	);
}

export class Filtering {
	/** What the client's wish leads to, known before the request goes on. */
	#wished: CompressionAlgorithm | undefined;
	#wishKnown = false;
	/** The response is compressed so. */
	compressedWith: CompressionAlgorithm | undefined;
	caching: Caching | undefined;
	readonly #limits: EnabledLimit[] = [];

	/** `set-bandwidth-limit`; said again, the last one counts. */
	enable(limit: BandwidthLimit, bytes: number | undefined, periodMs: number | undefined): void {
		const known = this.#limits.find((enabled) => enabled.limit === limit);
		if (known === undefined) this.#limits.push({ limit, bytes, periodMs });
		else {
			known.bytes = bytes;
			known.periodMs = periodMs;
		}
	}

	/** Before the request is forwarded: the client's wish, and what the request's own body passes through. */
	beforeRequest(stream: Stream): void {
		const { request } = stream;
		if (request === undefined) return;
		this.#learnWish(stream);
		if (request.framing.kind === 'none') return;
		const chain: BodyFilter[] = [];
		const { compression, before, after } = this.#limitsOf(stream, false);
		chain.push(...before);
		const algorithm = compression?.requestAlgorithm;
		if (
			compression !== undefined &&
			algorithm !== undefined &&
			compression.direction !== 'response' &&
			mayCompressRequest(request, compression) &&
			stream.session.thread.compressors.mayBegin()
		) {
			markCompressedRequest(request.headers, algorithm);
			chain.push(this.#compressor(stream, algorithm, () => undefined));
		}
		chain.push(...after);
		if (chain.length > 0) stream.requestFilters = new FilterChain(chain);
	}

	/** The response is complete but for what filters say in it: its body follows. */
	beforeResponse(stream: Stream): void {
		const { response, request } = stream;
		if (response === undefined || request === undefined) return;
		const hasBody = response.framing.kind !== 'none' && request.method !== 'HEAD';
		const chain: BodyFilter[] = [];
		const copy = hasBody ? this.caching?.copyFilter(stream) : undefined;
		if (copy !== undefined) chain.push(copy);
		if (hasBody) {
			const { compression, before, after } = this.#limitsOf(stream, true);
			chain.push(...before);
			const algorithm = compression === undefined ? undefined : this.#responseAlgorithm(stream, compression);
			if (algorithm !== undefined) {
				markCompressedResponse(response.headers, algorithm);
				chain.push(this.#compressor(stream, algorithm, countCompression(stream, algorithm)));
				this.compressedWith = algorithm;
				for (const counters of countersOf(stream))
					counters[Column.comp_rsp] = (counters[Column.comp_rsp] as number) + 1;
			}
			chain.push(...after);
		}
		if (chain.length > 0) stream.responseFilters = new FilterChain(chain);
	}

	#responseAlgorithm(stream: Stream, compression: CompressionModel): CompressionAlgorithm | undefined {
		if (compression.direction === 'request') return undefined;
		this.#learnWish(stream);
		const { response, request } = stream;
		if (this.#wished === undefined || response === undefined) return undefined;
		const version = request?.version ?? 10;
		if (!mayCompressResponse(response, version, compression.responseTypes, compression.responseSizeMin))
			return undefined;
		return stream.session.thread.compressors.mayBegin() ? this.#wished : undefined;
	}

	/** From Accept-Encoding as it came, which `offload` then takes away from the server. */
	#learnWish(stream: Stream): void {
		if (this.#wishKnown || stream.request === undefined) return;
		const compression = compressionOf(stream);
		if (compression === undefined || compression.responseAlgorithms.length === 0) return;
		this.#wishKnown = true;
		const { headers } = stream.request;
		if (isUnfitBrowser(headers)) return;
		this.#wished = algorithmFor(headers, compression.responseAlgorithms);
		const offloads =
			compression.offload || offloadOf(stream.frontend.filters) || offloadOf(stream.backendTraffic?.filters);
		if (offloads && this.#wished !== undefined && this.#wished !== 'identity') headers.remove('accept-encoding');
	}

	#compressor(
		stream: Stream,
		algorithm: CompressionAlgorithm,
		count: (inBytes: number, outBytes: number) => void,
	): BodyFilter {
		return algorithm === 'identity'
			? new IdentityFilter(count)
			: new CompressionFilter(algorithm, stream.session.thread.compressors, count);
	}

	/** The limits of one direction that rules have enabled, as filters, around the place of compression. */
	#limitsOf(
		stream: Stream,
		outgoing: boolean,
	): { compression: CompressionModel | undefined; before: BodyFilter[]; after: BodyFilter[] } {
		const before: BodyFilter[] = [];
		const after: BodyFilter[] = [];
		for (const filters of [stream.frontend.filters, stream.backendTraffic?.filters]) {
			if (filters === undefined) continue;
			for (const limit of filters.limits.values()) {
				if (limit.model.outgoing !== outgoing) continue;
				const enabled = this.#limits.find((one) => one.limit === limit);
				const filter = enabled === undefined ? undefined : limitFilter(stream, enabled);
				if (filter === undefined) continue;
				(filters.limitsBeforeCompression.has(limit.model.name) ? before : after).push(filter);
			}
			if (stream.backendTraffic?.filters === stream.frontend.filters) break;
		}
		return { compression: compressionOf(stream), before, after };
	}
}

/** The backend's algorithms and types win over the frontend's, each for itself (as observed). */
function compressionOf(stream: Stream): CompressionModel | undefined {
	const front = stream.frontend.filters?.compression;
	const back = stream.backendTraffic?.filters?.compression;
	if (back === undefined || back === front) return front;
	if (front === undefined) return back;
	return {
		...(back.responseAlgorithms.length > 0 ? back : front),
		responseTypes: back.responseTypes.length > 0 ? back.responseTypes : front.responseTypes,
		requestAlgorithm: back.requestAlgorithm ?? front.requestAlgorithm,
		requestTypes: back.requestTypes.length > 0 ? back.requestTypes : front.requestTypes,
	};
}

const offloadOf = (filters: ProxyFilters | undefined): boolean => filters?.compression?.offload === true;

/** `compression algo identity`: framed as if it were compressed, and not compressed. */
class IdentityFilter extends BodyFilter {
	readonly #count: (inBytes: number, outBytes: number) => void;

	constructor(count: (inBytes: number, outBytes: number) => void) {
		super();
		this.#count = count;
	}

	override get changesLength(): boolean {
		return true;
	}

	override write(bytes: Buffer): void {
		this.#count(bytes.length, bytes.length);
		this.next.write(bytes);
	}
}

/** The slices of the proxies that a compressed response counts on. */
function countersOf(stream: Stream): Float64Array[] {
	const slices = [stream.frontend.counters.slice];
	if (stream.backendTraffic !== undefined) slices.push(stream.backendTraffic.counters.slice);
	return slices;
}

function countCompression(
	stream: Stream,
	algorithm: CompressionAlgorithm,
): (inBytes: number, outBytes: number) => void {
	const slices = countersOf(stream);
	return (inBytes, outBytes) => {
		for (const slice of slices) {
			if (algorithm === 'identity') slice[Column.comp_byp] = (slice[Column.comp_byp] as number) + inBytes;
			else {
				slice[Column.comp_in] = (slice[Column.comp_in] as number) + inBytes;
				slice[Column.comp_out] = (slice[Column.comp_out] as number) + outBytes;
			}
		}
	};
}

function limitFilter(stream: Stream, enabled: EnabledLimit): BodyFilter | undefined {
	const budget = budgetOf(stream, enabled);
	if (budget === undefined) return undefined;
	const { thread } = stream.session;
	return new BandwidthFilter(budget, enabled.limit.model.sizeMin, thread.wheel, () => thread.nowMs());
}

/** Without a key of its own a stream has no part in a shared limit. */
function budgetOf(stream: Stream, { limit, bytes, periodMs }: EnabledLimit): Budget | undefined {
	const { shared, model } = limit;
	if (shared !== undefined) {
		const key = shared.key.evaluate(stream);
		return key === undefined ? undefined : new SharedBudget(shared.table, shared.slot, key, shared.limit);
	}
	const own = model.perStream;
	if (own === undefined) return undefined;
	return new StreamBudget(bytes ?? own.limit, periodMs ?? own.periodMs, stream.nowMs);
}

/**
 * A stream and the caches: `http-request cache-use`, `http-response cache-store` and the copy of the body (manual,
 * chapter 6). What is decided from heads is in lib/cache; here is when.
 *
 *     cache-use     looks the request up; a hit is pinned, and the rules that follow are still evaluated
 *     served        after the request's rules, in the place of a server: response rules run as for any response
 *     cache-store   notes the head as it is at this rule; without Age, which the copies count on
 *     the body      is copied as it passes; the object is shown when it is complete
 *     the end       the pin and an unfinished copy are given back, whatever became of the stream
 */

import {
	Admission,
	admissionOf,
	ageOf,
	cacheKey,
	invalidates,
	isNotModified,
	lifetimeSeconds,
} from '../../cache/cacheability.js';
import type { BodyPlace, CacheStore, StoredObject } from '../../cache/store.js';
import { answers, isReplacedBy, readHead, writeHead } from '../../cache/stored-response.js';
import { codingsOf, Varies, variesOn } from '../../cache/vary.js';
import type { CacheModel } from '../../config/model.js';
import { type BodyFraming, NO_BODY, ResponseHead } from '../../http/message.js';
import { standardReason } from '../../http/status.js';
import type { ReplySource } from '../../rules/stream-control.js';
import { Column, type Counters } from '../../shared/counters.js';
import type { Stream } from '../stream.js';
import { BodyFilter } from './body-filter.js';

/** A cache as one thread has it. */
export interface ThreadCache {
	readonly model: CacheModel;
	readonly store: CacheStore;
}

/** Bytes of a stored body that are given to the engine at a time; a shorter one is copied whole. */
const PIECE_BYTES = 64 * 1024;

/** A copy that is waiting for its body. */
interface DueCopy {
	readonly head: string;
	readonly lifetimeMs: number;
}

export class Caching {
	readonly cache: ThreadCache;
	readonly #key: string;
	readonly #admission: Admission;
	#hit: StoredObject | undefined;
	#copy: DueCopy | undefined;

	constructor(cache: ThreadCache, stream: Stream, counters: Counters) {
		this.cache = cache;
		const request = stream.request as NonNullable<Stream['request']>;
		this.#key = cacheKey(request);
		this.#admission = admissionOf(request);
		if (this.#admission !== Admission.LOOK) return;
		const { slice } = counters;
		slice[Column.cache_lookups] = (slice[Column.cache_lookups] as number) + 1;
		this.#hit = cache.store.find(this.#key, stream.nowMs, (head) => answers(head, request));
		if (this.#hit !== undefined) slice[Column.cache_hits] = (slice[Column.cache_hits] as number) + 1;
	}

	get isHit(): boolean {
		return this.#hit !== undefined;
	}

	/** The head of the stored response, for this request: 200, or 304 if the client has it. */
	storedHead(stream: Stream): ResponseHead {
		const hit = this.#hit as StoredObject;
		const stored = readHead(hit.head);
		const { headers } = stored;
		headers.add('age', String(stored.age + Math.floor((stream.nowMs - hit.storedMs) / 1000)));
		const request = stream.request as NonNullable<Stream['request']>;
		if (isNotModified(request.headers, headers))
			return new ResponseHead(304, standardReason(304), 11, headers, NO_BODY);
		const framing: BodyFraming = request.method === 'HEAD' ? NO_BODY : stored.framing;
		return new ResponseHead(200, stored.reason, 11, headers, framing);
	}

	/** The stored body: short ones whole, long ones piece by piece while the object stays pinned. */
	storedBody(): Buffer | ReplySource {
		const hit = this.#hit as StoredObject;
		const { store } = this.cache;
		const place = store.bodyOf(hit.index);
		return hit.bodyBytes <= PIECE_BYTES ? store.readBody(place, hit.bodyBytes) : new StoredBody(store, place);
	}

	/** `http-response cache-store`. */
	storeResponse(stream: Stream): void {
		const { request, response } = stream;
		if (request === undefined || response === undefined || this.isHit) return;
		const { model, store } = this.cache;
		if (this.#admission === Admission.INVALIDATE) {
			if (invalidates(response)) store.remove(this.#key);
			return;
		}
		if (this.#admission === Admission.NONE || request.method !== 'GET') return;
		const { framing, headers } = response;
		if (framing.kind === 'none') return;
		const lifetime = lifetimeSeconds(response, model.ageMaxSeconds, stream.session.thread.clock.wallMs());
		if (lifetime === 0) return;
		const varies = model.processVary || !headers.has('vary') ? variesOn(headers) : undefined;
		const codings = codingsOf(headers);
		if (varies === undefined || (codings === undefined && (varies & Varies.ENCODING) !== 0)) return;
		const age = ageOf(headers);
		headers.remove('age');
		const stored = { reason: response.reason, age, framing, headers };
		const head = writeHead(this.#key, varies, codings ?? '', request, stored);
		if (head.length + (framing.kind === 'length' ? framing.length : 0) > model.objectSizeMax) return;
		this.#copy = { head, lifetimeMs: lifetime * 1000 };
	}

	/** What copies the body on its way; undefined: nothing is stored. */
	copyFilter(stream: Stream): BodyFilter | undefined {
		const due = this.#copy;
		this.#copy = undefined;
		if (due === undefined) return undefined;
		const { store } = this.cache;
		const object = store.begin(due.head, this.#key.length);
		return object === undefined ? undefined : new CopyFilter(this.cache, this.#key, object, due, stream.nowMs);
	}

	close(): void {
		const hit = this.#hit;
		this.#hit = undefined;
		if (hit !== undefined) this.cache.store.release(hit.index);
	}
}

class StoredBody implements ReplySource {
	onMore: (() => void) | undefined;
	readonly #store: CacheStore;
	readonly #place: BodyPlace;

	constructor(store: CacheStore, place: BodyPlace) {
		this.#store = store;
		this.#place = place;
	}

	pull(): Buffer | undefined {
		return this.#place.leftBytes === 0 ? undefined : this.#store.readBody(this.#place, PIECE_BYTES);
	}

	/** The stream holds the pin, until it ends. */
	close(): void {}
}

/** Passes the body on and keeps a copy, which is shown when the body is complete. */
class CopyFilter extends BodyFilter {
	readonly #cache: ThreadCache;
	readonly #key: string;
	readonly #due: DueCopy;
	readonly #storedMs: number;
	/** Undefined: given up, or shown. */
	#object: number | undefined;
	#sizeBytes: number;

	constructor(cache: ThreadCache, key: string, object: number, due: DueCopy, storedMs: number) {
		super();
		this.#cache = cache;
		this.#key = key;
		this.#object = object;
		this.#due = due;
		this.#storedMs = storedMs;
		this.#sizeBytes = due.head.length;
	}

	override write(bytes: Buffer): void {
		this.#keep(bytes);
		this.next.write(bytes);
	}

	#keep(bytes: Buffer): void {
		if (this.#object === undefined) return;
		this.#sizeBytes += bytes.length;
		if (this.#sizeBytes > this.#cache.model.objectSizeMax) this.close();
		else if (!this.#cache.store.append(this.#object, bytes)) this.#object = undefined;
	}

	override end(): void {
		const object = this.#object;
		this.#object = undefined;
		if (object !== undefined) {
			const { store, model } = this.#cache;
			const { head, lifetimeMs } = this.#due;
			const dates = { storedMs: this.#storedMs, expiresMs: this.#storedMs + lifetimeMs };
			const sameKeyMax = model.processVary ? model.secondaryEntriesMax : 1;
			store.publish(object, this.#key, dates, sameKeyMax, (old) => isReplacedBy(old, head));
		}
		this.next.end();
	}

	override close(): void {
		const object = this.#object;
		this.#object = undefined;
		if (object !== undefined) this.#cache.store.discard(object);
	}
}

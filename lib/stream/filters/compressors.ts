/**
 * What compresses, and how much of it a thread may do: zlib's streams for reuse, `tune.comp.maxlevel`, `maxcomprate`,
 * `maxcompcpuusage` (manual, 3.2).
 *
 * A body that is there whole when its head is (most are) is compressed at once, on this thread: a hop to Node's pool
 * and back costs six times what compressing 10 kB does. A longer one goes through a zlib stream, whose work is
 * done in that pool and leaves the thread free for others; each piece is flushed, so that what a server sends
 * piece by piece reaches its client piece by piece. Streams of zlib are large (a quarter of a megabyte), so finished
 * ones are kept and reset, a few of each kind.
 *
 * The rate is counted per thread and each thread has its share of the limit: a counter of the whole process would be
 * an atomic addition per piece for a limit that is a rough one by its nature.
 */
import { performance } from 'node:perf_hooks';
import zlib from 'node:zlib';
import type { CompressionAlgorithm } from '../../config/model.js';
import type { Clock } from '../../core/clock.js';

/** Idle streams that are kept of each kind. */
const KEPT_STREAMS = 16;
/** Bytes up to which a whole body is compressed at once. */
export const AT_ONCE_BYTES = 64 * 1024;
/** How often the thread's own load is looked at. */
const LOAD_CHECK_MS = 200;

type ZlibStream = zlib.Gzip | zlib.Deflate | zlib.DeflateRaw | zlib.BrotliCompress;
type Coder = Exclude<CompressionAlgorithm, 'identity'>;

export interface CompressionLimits {
	/** 1 to 9. */
	readonly levelMax: number;
	/** Bytes per second that this thread may take; 0: no limit. */
	readonly bytesPerSecondMax: number;
	/** Percent of this thread's time beyond which nothing more is compressed. */
	readonly cpuMaxPercent: number;
	readonly clock: Clock;
}

export class Compressors {
	#limits: CompressionLimits;
	readonly #idle = new Map<Coder, ZlibStream[]>();
	#level: number;
	#second = 0;
	#bytesInSecond = 0;
	#bytesLastSecond = 0;
	#loadAtMs = 0;
	#load: ReturnType<typeof performance.eventLoopUtilization> | undefined;
	#busyPercent = 0;

	constructor(limits: CompressionLimits) {
		this.#limits = limits;
		this.#level = limits.levelMax;
	}

	/** Neither the rate nor the thread's load forbids to begin with another body. */
	mayBegin(): boolean {
		const { bytesPerSecondMax, cpuMaxPercent } = this.#limits;
		if (bytesPerSecondMax > 0 && this.rate() > bytesPerSecondMax) return false;
		return cpuMaxPercent >= 100 || this.#cpuPercent() <= cpuMaxPercent;
	}

	/** `set rate-limit http-compression` of the runtime API: this thread's part of it; 0: no limit. */
	setRateMax(bytesPerSecondMax: number): void {
		this.#limits = { ...this.#limits, bytesPerSecondMax };
		if (bytesPerSecondMax === 0) this.#level = this.#limits.levelMax;
	}

	/** Bytes taken in the last second: the last whole one fades as the present one goes on. */
	rate(): number {
		const nowMs = this.#limits.clock.monotonicMs();
		this.#turn(nowMs);
		return this.#bytesLastSecond * (1 - (nowMs % 1000) / 1000) + this.#bytesInSecond;
	}

	#turn(nowMs: number): void {
		const second = Math.floor(nowMs / 1000);
		if (second === this.#second) return;
		this.#bytesLastSecond = second === this.#second + 1 ? this.#bytesInSecond : 0;
		this.#bytesInSecond = 0;
		this.#second = second;
	}

	/** Bytes were given to a compressor; above the limit the level goes down, below it comes back. */
	count(byteCount: number): void {
		this.#turn(this.#limits.clock.monotonicMs());
		this.#bytesInSecond += byteCount;
		const { bytesPerSecondMax, levelMax } = this.#limits;
		if (bytesPerSecondMax === 0) return;
		if (this.rate() > bytesPerSecondMax) this.#level = Math.max(1, this.#level - 1);
		else this.#level = Math.min(levelMax, this.#level + 1);
	}

	#cpuPercent(): number {
		const nowMs = this.#limits.clock.monotonicMs();
		if (this.#load === undefined || nowMs - this.#loadAtMs >= LOAD_CHECK_MS) {
			const load = performance.eventLoopUtilization();
			this.#busyPercent = performance.eventLoopUtilization(load, this.#load).utilization * 100;
			this.#load = load;
			this.#loadAtMs = nowMs;
		}
		return this.#busyPercent;
	}

	/** A whole body. */
	atOnce(algorithm: Coder, body: Buffer): Buffer {
		const options = { level: this.#level };
		switch (algorithm) {
			case 'gzip':
				return zlib.gzipSync(body, options);
			case 'deflate':
				return zlib.deflateSync(body, options);
			case 'raw-deflate':
				return zlib.deflateRawSync(body, options);
			case 'br':
				return zlib.brotliCompressSync(body, brotliOptions(this.#level));
		}
	}

	take(algorithm: Coder): ZlibStream {
		const kept = this.#idle.get(algorithm)?.pop();
		if (kept !== undefined) return kept;
		const options = { level: this.#level };
		switch (algorithm) {
			case 'gzip':
				return zlib.createGzip(options);
			case 'deflate':
				return zlib.createDeflate(options);
			case 'raw-deflate':
				return zlib.createDeflateRaw(options);
			case 'br':
				return zlib.createBrotliCompress(brotliOptions(this.#level));
		}
	}

	/** A stream whose last body is complete, without listeners. */
	give(algorithm: Coder, stream: ZlibStream): void {
		const kept = this.#idle.get(algorithm) ?? [];
		// Brotli's cannot be reset.
		if (!('reset' in stream) || algorithm === 'br' || kept.length >= KEPT_STREAMS) {
			stream.close();
			return;
		}
		this.#idle.set(algorithm, kept);
		stream.reset();
		kept.push(stream);
	}
}

/** Brotli's quality is a scale of its own, 0 to 11; like numbers cost about as much. */
function brotliOptions(level: number): zlib.BrotliOptions {
	return { params: { [zlib.constants.BROTLI_PARAM_QUALITY]: level } };
}

/** What flushes a piece, and what ends a body. */
export function flushKinds(algorithm: Coder): { readonly piece: number; readonly last: number } {
	const { constants } = zlib;
	return algorithm === 'br'
		? { piece: constants.BROTLI_OPERATION_FLUSH, last: constants.BROTLI_OPERATION_FINISH }
		: { piece: constants.Z_SYNC_FLUSH, last: constants.Z_FINISH };
}

export type { Coder, ZlibStream };

/**
 * What changes or keeps bodies on their way: compression, `filter` lines and `cache` sections, as part of the configuration
 * model.
 */
import type { Place } from '../core/diagnostics.js';
import type { Line } from './model.js';

export type CompressionAlgorithm = 'gzip' | 'deflate' | 'raw-deflate' | 'identity' | 'br';

/** `compression` (manual, 4.2 `compression`). */
export interface CompressionModel {
	readonly requestAlgorithm: CompressionAlgorithm | undefined;
	/** In the order of the lines. */
	readonly responseAlgorithms: readonly CompressionAlgorithm[];
	/** Beginnings of content types; none: all types. */
	readonly requestTypes: readonly string[];
	readonly responseTypes: readonly string[];
	readonly offload: boolean;
	readonly direction: 'request' | 'response' | 'both';
	/** Bytes of a body below which it is left as it is, where its length is known. */
	readonly requestSizeMin: number;
	readonly responseSizeMin: number;
}

export type FilterModel =
	| { readonly kind: 'compression'; readonly place: Place }
	| { readonly kind: 'cache'; readonly place: Place; readonly cache: string }
	| BandwidthLimitModel;

/** `filter bwlim-in|bwlim-out` (manual of 2.7, 9.7); one of `shared` and `perStream`. */
export interface BandwidthLimitModel {
	readonly kind: 'bwlim';
	readonly place: Place;
	readonly name: string;
	/** To the client; else from it. */
	readonly outgoing: boolean;
	/** Bytes that are given on at a time, but for the last. */
	readonly sizeMin: number;
	/** Bytes in the period of the table's byte rate, for all streams with one key; without `table` the proxy's own. */
	readonly shared?: { readonly limit: number; readonly key: Line; readonly table: string | undefined };
	/** Bytes in the period for one stream. */
	readonly perStream?: { readonly limit: number; readonly periodMs: number };
}

/** A `cache` section (manual, 6.2.1). */
export interface CacheModel {
	readonly place: Place;
	readonly name: string;
	readonly totalSizeBytes: number;
	/** Head and body together. */
	readonly objectSizeMax: number;
	readonly ageMaxSeconds: number;
	readonly processVary: boolean;
	readonly secondaryEntriesMax: number;
}

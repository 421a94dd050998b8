/** What filters have made of a response (manual, 7.3.6): `res.comp`, `res.comp_algo`, `res.cache_hit`, `res.cache_name`. */
import type { FetchDescriptor } from '../types.js';
import { plain } from './define.js';

export const FILTER_FETCHES: readonly FetchDescriptor[] = [
	plain('res.comp', 'bool', 'response', (stream) => stream.compressedWith !== undefined),
	plain('res.comp_algo', 'str', 'response', (stream) => stream.compressedWith),
	plain('res.cache_hit', 'bool', 'response', (stream) => stream.cacheName !== undefined),
	// Without a hit as if there were no value: an empty string where a text is wanted.
	plain('res.cache_name', 'str', 'response', (stream) => stream.cacheName),
];

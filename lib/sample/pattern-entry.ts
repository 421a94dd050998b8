/** A pattern of an ACL or a map, and the interface of the ways of matching it (pattern-index.ts). */
import type { SampleValue } from './types.js';

export interface PatternEntry {
	readonly id: number;
	/** The pattern as it was written. */
	readonly text: string;
	readonly ignoreCase: boolean;
	/** The second column of a map; empty for ACLs. Changed by `PatternIndex` alone. */
	readonly data: string;
}

/** One way of matching; `PatternIndex` keeps the entries in order and rebuilds it after a removal. */
export interface Matcher {
	/** A sentence on what is wrong with the pattern, or undefined. */
	add(entry: PatternEntry): string | undefined;
	find(value: SampleValue): PatternEntry | undefined;
	/** Takes an entry out; false where only a new matcher without it will do. */
	remove?(entry: PatternEntry): boolean;
}

/** Takes the entry out of a hash, if it is the one there. */
export function removeFrom<K>(map: Map<K, PatternEntry> | undefined, key: K, entry: PatternEntry): boolean {
	return map?.get(key)?.id === entry.id && map.delete(key);
}

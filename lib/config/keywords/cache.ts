/** The `cache` section (manual, 6.2.1). */
import type { Place } from '../../core/diagnostics.js';
import type { CacheDraft } from '../draft.js';
import { type Keyword, KeywordTable } from '../statement.js';

const MEGABYTE = 1024 * 1024;
const TOTAL_MAX_MEGABYTES = 4095;

export const newCache = (name: string, place: Place): CacheDraft => ({
	place,
	name,
	totalSizeBytes: 0,
	objectSizeMax: undefined,
	ageMaxSeconds: 60,
	processVary: false,
	secondaryEntriesMax: 10,
});

const BUILT: readonly Keyword<CacheDraft>[] = [
	{
		name: 'total-max-size',
		parse(statement, cache) {
			const megabytes = statement.integer(1, 'total-max-size', 1, TOTAL_MAX_MEGABYTES);
			if (megabytes !== undefined && statement.atMost(1)) cache.totalSizeBytes = megabytes * MEGABYTE;
		},
	},
	{
		name: 'max-object-size',
		parse(statement, cache) {
			const bytes = statement.integer(1, 'max-object-size', 1, (TOTAL_MAX_MEGABYTES * MEGABYTE) / 2);
			if (bytes !== undefined && statement.atMost(1)) cache.objectSizeMax = bytes;
		},
	},
	{
		name: 'max-age',
		parse(statement, cache) {
			const seconds = statement.integer(1, 'max-age', 1, 2 ** 31 - 1);
			if (seconds !== undefined && statement.atMost(1)) cache.ageMaxSeconds = seconds;
		},
	},
	{
		name: 'process-vary',
		parse(statement, cache) {
			const value = statement.choice(1, 'process-vary', ['on', 'off']);
			if (value !== undefined && statement.atMost(1)) cache.processVary = value === 'on';
		},
	},
	{
		name: 'max-secondary-entries',
		parse(statement, cache) {
			const count = statement.integer(1, 'max-secondary-entries', 1, 2 ** 31 - 1);
			if (count !== undefined && statement.atMost(1)) cache.secondaryEntriesMax = count;
		},
	},
];

export const CACHE_KEYWORDS = new KeywordTable<CacheDraft>(BUILT);

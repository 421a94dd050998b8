/**
 * `compression ...` and `filter ...` of proxies (manual, 4.2, chapter 9; the directions of compression as of 2.8, its
 * minimum sizes as of 3.2, limits of bandwidth as of 2.7).
 *
 * What may be combined is checked here when the lines are read, but for names of other sections, which may come
 * later (check-references.ts).
 */
import { didYouMean } from '../../core/diagnostics.js';
import { parseSize, parseTimeMs } from '../../core/units.js';
import type { BandwidthLimitModel, CompressionAlgorithm, CompressionModel, Line } from '../model.js';
import { type Keyword, refused, type Statement } from '../statement.js';
import type { ProxySite } from './proxy-site.js';

/** `br` is Holdfast's own word; it is used only where it is written. */
export const COMPRESSION_ALGORITHMS: readonly CompressionAlgorithm[] = [
	'gzip',
	'deflate',
	'raw-deflate',
	'identity',
	'br',
];

export const NO_COMPRESSION: CompressionModel = {
	requestAlgorithm: undefined,
	responseAlgorithms: [],
	requestTypes: [],
	responseTypes: [],
	offload: false,
	direction: 'response',
	requestSizeMin: 0,
	responseSizeMin: 0,
};

type Fields = { -readonly [K in keyof CompressionModel]: CompressionModel[K] };

function row(word: string, read: (statement: Statement, fields: Fields, site: ProxySite) => void): Keyword<ProxySite> {
	return {
		name: `compression ${word}`,
		parse(statement, site) {
			const fields: Fields = { ...(site.proxy.compression ?? NO_COMPRESSION) };
			read(statement, fields, site);
			site.proxy.compression = fields;
		},
	};
}

function algorithms(statement: Statement): CompressionAlgorithm[] | undefined {
	const words = statement.words.slice(2);
	if (words.length === 0) {
		statement.alert(`'compression' expects <algorithm>.`);
		return undefined;
	}
	for (const word of words) {
		if ((COMPRESSION_ALGORITHMS as readonly string[]).includes(word)) continue;
		statement.alert(
			`'compression' : '${word}' is not a supported algorithm.${didYouMean(word, COMPRESSION_ALGORITHMS)}`,
		);
		return undefined;
	}
	return words as CompressionAlgorithm[];
}

function types(statement: Statement): string[] {
	const words = statement.words.slice(2);
	if (words.length === 0) statement.alert(`'compression' expects <type>.`);
	return words;
}

const readResponseAlgorithms = (statement: Statement, fields: Fields): void => {
	fields.responseAlgorithms = [...fields.responseAlgorithms, ...(algorithms(statement) ?? [])];
};
const readResponseTypes = (statement: Statement, fields: Fields): void => {
	fields.responseTypes = [...fields.responseTypes, ...types(statement)];
};

export const COMPRESSION_KEYWORDS: readonly Keyword<ProxySite>[] = [
	row('algo', readResponseAlgorithms),
	row('algo-res', readResponseAlgorithms),
	row('algo-req', (statement, fields) => {
		if (statement.atMost(1, 2)) fields.requestAlgorithm = algorithms(statement)?.[0];
	}),
	row('type', readResponseTypes),
	row('type-res', readResponseTypes),
	row('type-req', (statement, fields) => {
		fields.requestTypes = [...fields.requestTypes, ...types(statement)];
	}),
	row('minsize-res', (statement, fields) => {
		fields.responseSizeMin = statement.size(2, 'compression minsize-res') ?? 0;
	}),
	row('minsize-req', (statement, fields) => {
		fields.requestSizeMin = statement.size(2, 'compression minsize-req') ?? 0;
	}),
	row('offload', (statement, fields, { proxy }) => {
		if (proxy.kind === 'defaults') {
			statement.warning(`'compression' : 'offload' ignored in 'defaults' section.`);
		} else fields.offload = true;
	}),
	row('direction', (statement, fields) => {
		fields.direction =
			statement.choice(2, 'compression direction', ['request', 'response', 'both']) ?? fields.direction;
	}),
];

// ---- filter -----------------------------------------------------------------------------------------------------

const NOT_DEFAULTS = ['frontend', 'listen', 'backend'];

/** Filters of the manual that are refused, each by its name. */
const REFUSED_FILTERS = ['fcgi-app', 'opentracing', 'otel', 'spoe', 'trace', 'lua.'];

const BANDWIDTH_WORDS = ['default-limit', 'default-period', 'limit', 'key', 'table', 'min-size'];

function readFilter(statement: Statement, { proxy }: ProxySite): void {
	const { place } = statement;
	const name = statement.word(1);
	switch (name) {
		case '':
			statement.alert(`missing argument for 'filter' in ${proxy.kind} '${proxy.name}'.`);
			return;
		case 'compression':
			if (statement.atMost(0, 2)) proxy.filters.push({ kind: 'compression', place });
			return;
		case 'cache': {
			const cache = statement.onlyArgument('a <name> as argument', 2);
			if (cache === undefined) return;
			if (proxy.filters.some((filter) => filter.kind === 'compression')) {
				statement.alert(
					`${proxy.kind} '${proxy.name}': unable to enable the compression filter before the cache '${cache}'.`,
				);
			} else proxy.filters.push({ kind: 'cache', place, cache });
			return;
		}
		case 'bwlim-in':
		case 'bwlim-out': {
			const limit = readBandwidthLimit(statement, name);
			if (limit === undefined) return;
			if (proxy.filters.some((filter) => filter.kind === 'bwlim' && filter.name === limit.name)) {
				statement.alert(`'filter ${name}': a filter called '${limit.name}' is declared already in this proxy.`);
			} else proxy.filters.push(limit);
			return;
		}
		default:
			if (REFUSED_FILTERS.some((known) => name === known || (known.endsWith('.') && name.startsWith(known)))) {
				statement.alert(`'filter ${name}' is not supported by holdfast, in '${statement.section}' section`);
				return;
			}
			statement.alert(
				`'filter' : unknown keyword '${name}'. Registered keywords : bwlim-in, bwlim-out, cache, compression${didYouMean(name, ['bwlim-in', 'bwlim-out', 'cache', 'compression'])}`,
			);
	}
}

/** `filter bwlim-in|bwlim-out <name> ...` (manual of 2.7, 9.7). */
function readBandwidthLimit(statement: Statement, keyword: 'bwlim-in' | 'bwlim-out'): BandwidthLimitModel | undefined {
	const name = statement.word(2);
	const fail = (reason: string): undefined => {
		statement.alert(`'filter ${keyword}' : ${reason}`);
		return undefined;
	};
	if (name === '' || BANDWIDTH_WORDS.includes(name)) return fail(`expects a <name> as argument.`);
	let limit: number | undefined;
	let defaultLimit: number | undefined;
	let defaultPeriodMs: number | undefined;
	let key: Line | undefined;
	let table: string | undefined;
	let sizeMin = 0;
	for (let at = 3; at < statement.words.length; at++) {
		const word = statement.word(at);
		if (!BANDWIDTH_WORDS.includes(word)) {
			return fail(`unexpected argument '${word}'.${didYouMean(word, BANDWIDTH_WORDS)}`);
		}
		const value = statement.word(++at);
		if (value === '') return fail(`'${word}' expects an argument.`);
		switch (word) {
			case 'key': {
				const end = statement.words.findIndex((other, index) => index > at && BANDWIDTH_WORDS.includes(other));
				const words = statement.words.slice(at, end < 0 ? undefined : end);
				key = { place: statement.place, words };
				at += words.length - 1;
				break;
			}
			case 'table':
				table = value;
				break;
			case 'default-period': {
				const time = parseTimeMs(value);
				if (!time.ok || time.value <= 0) return fail(`invalid value for 'default-period': '${value}'.`);
				defaultPeriodMs = time.value;
				break;
			}
			default: {
				const size = parseSize(value);
				if (!size.ok || (size.value <= 0 && word !== 'min-size')) {
					return fail(`invalid value for '${word}': '${value}'.`);
				}
				if (word === 'limit') limit = size.value;
				else if (word === 'default-limit') defaultLimit = size.value;
				else sizeMin = size.value;
			}
		}
	}
	const common = { kind: 'bwlim', place: statement.place, name, outgoing: keyword === 'bwlim-out', sizeMin } as const;
	if (key !== undefined || limit !== undefined || table !== undefined) {
		if (defaultLimit !== undefined || defaultPeriodMs !== undefined) {
			return fail(`'limit', 'key' and 'table' cannot be mixed with 'default-limit' and 'default-period'.`);
		}
		if (key === undefined || limit === undefined) return fail(`a shared limit expects 'limit' and 'key'.`);
		return { ...common, shared: { limit, key, table } };
	}
	if (defaultLimit === undefined || defaultPeriodMs === undefined) {
		return fail(`expects 'default-limit' and 'default-period', or 'limit' and 'key'.`);
	}
	return { ...common, perStream: { limit: defaultLimit, periodMs: defaultPeriodMs } };
}

export const FILTER_KEYWORDS: readonly Keyword<ProxySite>[] = [
	...COMPRESSION_KEYWORDS,
	{ name: 'filter', sections: NOT_DEFAULTS, strictSections: true, parse: readFilter },
	{
		name: 'http-send-name-header',
		sections: ['defaults', 'listen', 'backend'],
		parse(statement, { proxy }) {
			const name = statement.onlyArgument('<header name>');
			if (name === undefined) return;
			if (/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(name)) proxy.sendNameHeader = name.toLowerCase();
			else statement.alert(`'http-send-name-header' expects the name of a field, got '${name}'.`);
		},
	},
	...refused<ProxySite>(['use-fcgi-app']),
];

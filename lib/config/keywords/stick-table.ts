/**
 * `stick-table` lines and the `table` lines of peers sections (manual, 4.2 `stick-table` and 3.5).
 *
 * The parser knows of each data type only what its argument is; what the type means, its size and its
 * number on the wire stand in the table of `stick-table/data-types.ts`.
 */
import { didYouMean } from '../../core/diagnostics.js';
import { parseTimeMs } from '../../core/units.js';
import type { StickTableModel, StoredDataModel } from '../model.js';
import type { Statement } from '../statement.js';

/** What stands in the parentheses of `store <type>(...)`. */
type TypeArgument = 'none' | 'period' | 'count' | 'count and period';

const DATA_TYPES: ReadonlyMap<string, TypeArgument> = new Map<string, TypeArgument>([
	['server_id', 'none'],
	['server_key', 'none'],
	['gpt', 'count'],
	['gpt0', 'none'],
	['gpc', 'count'],
	['gpc0', 'none'],
	['gpc1', 'none'],
	['gpc_rate', 'count and period'],
	['gpc0_rate', 'period'],
	['gpc1_rate', 'period'],
	['conn_cnt', 'none'],
	['conn_rate', 'period'],
	['conn_cur', 'none'],
	['sess_cnt', 'none'],
	['sess_rate', 'period'],
	['http_req_cnt', 'none'],
	['http_req_rate', 'period'],
	['http_err_cnt', 'none'],
	['http_err_rate', 'period'],
	['http_fail_cnt', 'none'],
	['http_fail_rate', 'period'],
	['bytes_in_cnt', 'none'],
	['bytes_in_rate', 'period'],
	['bytes_out_cnt', 'none'],
	['bytes_out_rate', 'period'],
	['glitch_cnt', 'none'],
	['glitch_rate', 'period'],
]);

/** Other names of the same type. */
const DATA_TYPE_SYNONYMS: ReadonlyMap<string, string> = new Map([['server_name', 'server_key']]);

/** Types that cannot stand beside each other: an array and the single elements it contains. */
const EXCLUSIVE: readonly (readonly [array: string, elements: readonly string[]])[] = [
	['gpt', ['gpt0']],
	['gpc', ['gpc0', 'gpc1']],
	['gpc_rate', ['gpc0_rate', 'gpc1_rate']],
];

const MAX_ARRAY_COUNT = 100;
const MAX_SIZE = 2 ** 32 - 1;
const MAX_KEY_LENGTH_BYTES = 16384;
const DEFAULT_KEY_LENGTH_BYTES = 32;

const KEY_LENGTHS: ReadonlyMap<string, number> = new Map([
	['ip', 4],
	['ipv6', 16],
	['integer', 4],
]);

const ARGUMENTS = [
	'type',
	'size',
	'expire',
	'nopurge',
	'store',
	'srvkey',
	'peers',
	'recv-only',
	'write-to',
	'brates-factor',
];

/**
 * Reads the arguments from words[from] on. Returns undefined if the table cannot be made; every faulty
 * argument has been reported by then.
 */
export function readStickTable(
	statement: Statement,
	from: number,
	name: string,
	peersSection: string | undefined,
): StickTableModel | undefined {
	const errorsBefore = statement.diagnostics.errorCount;
	const keyword = statement.word(0);
	const say = (text: string): void => statement.alert(`${keyword}: ${text}`);
	let keyType: StickTableModel['keyType'] | undefined;
	let typeSeen = false;
	let keyLengthBytes = 0;
	let size: number | undefined;
	let sizeSeen = false;
	let expireMs: number | undefined;
	let nopurge = false;
	let recvOnly = false;
	let writeTo: string | undefined;
	let srvkey: StickTableModel['srvkey'] = 'name';
	let bratesFactor = 1;
	let peers = peersSection;
	const store = new Map<string, StoredDataModel>();

	for (let i = from; i < statement.words.length; i++) {
		const word = statement.word(i);
		switch (word) {
			case 'type': {
				typeSeen = true;
				const type = statement.word(++i);
				const key = type === 'ipv4' ? 'ip' : type;
				if (key !== 'ip' && key !== 'ipv6' && key !== 'integer' && key !== 'string' && key !== 'binary') {
					say(
						`unknown type '${type}'${didYouMean(type, ['ip', 'ipv6', 'integer', 'string', 'binary'])}; types are ip, ipv6, integer, string and binary.`,
					);
					break;
				}
				keyType = key;
				keyLengthBytes = KEY_LENGTHS.get(key) ?? DEFAULT_KEY_LENGTH_BYTES;
				if (statement.word(i + 1) !== 'len') break;
				i += 2;
				if (KEY_LENGTHS.has(key)) {
					say(`'len' is not allowed with type '${type}'.`);
					break;
				}
				const length = /^\d{1,9}$/.test(statement.word(i)) ? Number(statement.word(i)) : 0;
				if (length < 1 || length > MAX_KEY_LENGTH_BYTES) {
					say(`'len' expects a number between 1 and ${MAX_KEY_LENGTH_BYTES}, got '${statement.word(i)}'.`);
				} else keyLengthBytes = length;
				break;
			}
			case 'size':
				sizeSeen = true;
				size = statement.size(++i, `${keyword} size`, MAX_SIZE);
				if (size === 0) {
					say(`'size' must be at least 1.`);
					size = undefined;
				}
				break;
			case 'expire':
				expireMs = statement.timeMs(++i, `${keyword} expire`);
				if (expireMs === 0) say(`'expire' must be at least 1 ms.`);
				break;
			case 'nopurge':
				nopurge = true;
				break;
			case 'recv-only':
				recvOnly = true;
				break;
			case 'write-to':
				writeTo = statement.word(++i);
				if (writeTo === '') say(`'write-to' expects the name of a table.`);
				break;
			case 'srvkey':
				srvkey = statement.choice(++i, `${keyword} srvkey`, ['name', 'addr']) ?? 'name';
				break;
			case 'brates-factor':
				bratesFactor = statement.integer(++i, `${keyword} brates-factor`, 1, 1024) ?? 1;
				break;
			case 'peers':
				if (peersSection !== undefined)
					say(`'peers' is not allowed in a 'peers' section: it replicates its own tables.`);
				peers = statement.word(++i);
				if (peers === '') say(`'peers' expects the name of a peers section.`);
				break;
			case 'store':
				readStore(statement, ++i, store, say);
				break;
			default:
				say(`unknown argument '${word}'${didYouMean(word, ARGUMENTS)}`);
		}
	}
	if (!typeSeen) say(`missing 'type'.`);
	if (!sizeSeen) say(`missing 'size'.`);
	for (const [array, elements] of EXCLUSIVE) {
		const beside = elements.filter((element) => store.has(element));
		if (store.has(array) && beside.length > 0) {
			say(`'${array}' cannot be stored together with ${beside.map((element) => `'${element}'`).join(' and ')}.`);
		}
	}
	if (keyType === undefined || size === undefined || statement.diagnostics.errorCount > errorsBefore) return undefined;
	return {
		place: statement.place,
		name,
		keyType,
		keyLengthBytes,
		size,
		expireMs,
		nopurge,
		recvOnly,
		writeTo,
		srvkey,
		store: [...store.values()],
		bratesFactor,
		peers,
	};
}

/** Splits `a,b(1),c(2,10s)` at the commas outside of parentheses. */
function splitList(text: string): string[] {
	const items: string[] = [];
	let depth = 0;
	let start = 0;
	for (let i = 0; i < text.length; i++) {
		if (text[i] === '(') depth++;
		else if (text[i] === ')') depth--;
		else if (text[i] === ',' && depth === 0) {
			items.push(text.slice(start, i));
			start = i + 1;
		}
	}
	items.push(text.slice(start));
	return items;
}

function readStore(
	statement: Statement,
	index: number,
	store: Map<string, StoredDataModel>,
	say: (text: string) => void,
): void {
	const list = statement.word(index);
	if (list === '') {
		say(`'store' expects a list of data types.`);
		return;
	}
	for (const item of splitList(list)) {
		const match = /^([a-z0-9_]*)(?:\(([^()]*)\))?$/.exec(item);
		const written = match?.[1] ?? item;
		const type = DATA_TYPE_SYNONYMS.get(written) ?? written;
		const argument = DATA_TYPES.get(type);
		if (match === null || argument === undefined) {
			say(`unknown data type '${item}'${didYouMean(written, DATA_TYPES.keys())}`);
			continue;
		}
		const data = readTypeArgument(type, argument, match[2], say);
		if (data === undefined) continue;
		if (store.has(type)) {
			statement.warning(`${statement.word(0)}: data type '${type}' stored twice, the first one is kept.`);
		} else store.set(type, data);
	}
}

function readTypeArgument(
	type: string,
	kind: TypeArgument,
	text: string | undefined,
	say: (text: string) => void,
): StoredDataModel | undefined {
	if (kind === 'none') {
		if (text === undefined) return { type, periodMs: undefined, count: undefined };
		say(`data type '${type}' takes no argument.`);
		return undefined;
	}
	if (text === undefined || text === '') {
		const expected = kind === 'period' ? '<period>' : kind === 'count' ? '<number>' : '<number>,<period>';
		say(`missing argument of data type '${type}', expected '${type}(${expected})'.`);
		return undefined;
	}
	const parts = text.split(',').map((part) => part.trim());
	const wanted = kind === 'count and period' ? 2 : 1;
	if (parts.length !== wanted) {
		say(`data type '${type}' takes ${wanted} argument${wanted === 1 ? '' : 's'}, got '${text}'.`);
		return undefined;
	}
	let count: number | undefined;
	let periodMs: number | undefined;
	if (kind !== 'period') {
		count = /^\d{1,4}$/.test(parts[0] ?? '') ? Number(parts[0]) : 0;
		if (count < 1 || count > MAX_ARRAY_COUNT) {
			say(`data type '${type}' expects a number of elements between 1 and ${MAX_ARRAY_COUNT}, got '${parts[0]}'.`);
			return undefined;
		}
	}
	if (kind !== 'count') {
		const period = parseTimeMs(parts[wanted - 1] ?? '');
		if (!period.ok || period.value === 0) {
			say(
				`invalid period '${parts[wanted - 1]}' of data type '${type}': ${period.ok ? 'it must be at least 1 ms' : period.reason}.`,
			);
			return undefined;
		}
		periodMs = period.value;
	}
	return { type, periodMs, count };
}

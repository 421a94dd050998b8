/**
 * Stick counters: `track-sc<n> <key> [table <t>]`, `sc-inc-gpc*`, `sc-add-gpc`, `sc-set-gpt*` (manual, 4.2
 * `http-request track-sc0`; the semantics, with what was seen on the reference, in sections 5, 6 and 12 of
 * the stick-table specification). Tables are resolved here; under traffic a rule is one lookup.
 */
import { didYouMean } from '../../core/diagnostics.js';
import { canCast, parseInteger, toInt } from '../../sample/values.js';
import type { RuleSite, SampleType } from '../../sample/types.js';
import type { DataSlot, StickTable } from '../../stick-table/table.js';
import type { TrackedCounter } from '../../stick-table/tracked-counter.js';
import { type Action, type ActionDescriptor, ALL_SITES, CONNECTION_SITES, mayComeLater, type RuleWords } from '../action.js';
import type { StreamControl } from '../stream-control.js';
import { Verdict } from '../verdict.js';

/** The sample type that a key is made from, by the type of the table. */
const KEY_SAMPLE_TYPES: Readonly<Record<StickTable['model']['keyType'], SampleType>> = {
	ip: 'ipv4',
	ipv6: 'ipv6',
	integer: 'sint',
	string: 'str',
	binary: 'bin',
};

/** Errors of the client (400 to 499) and failures of servers (500 to 599 but 501 and 505), unless configured. */
function isErrorStatus(status: number, configured: readonly number[] | undefined): boolean {
	return configured !== undefined && configured.length > 0
		? configured.includes(status)
		: status >= 400 && status <= 499;
}

function isFailureStatus(status: number, configured: readonly number[] | undefined): boolean {
	return configured !== undefined && configured.length > 0
		? configured.includes(status)
		: status >= 500 && status <= 599 && status !== 501 && status !== 505;
}

/** A counter and its rate: both move at the same moments (specification, section 3). */
type CounterPair = readonly [count: DataSlot | undefined, rate: DataSlot | undefined];

function pairOf(table: StickTable, name: string): CounterPair {
	return [table.slot(`${name}_cnt`), table.slot(`${name}_rate`)];
}

function addOne(stream: StreamControl, counter: TrackedCounter, [count, rate]: CounterPair): void {
	if (count !== undefined) counter.table.add(counter.entry, count, 0, 1, stream.nowMs);
	if (rate !== undefined) counter.table.add(counter.entry, rate, 0, 1, stream.nowMs);
}

function compileTrack(words: RuleWords): Action | undefined {
	const { context } = words;
	const digits = words.keyword.slice('track-sc'.length);
	if (!/^\d{1,3}$/.test(digits)) return words.fail(`Wrong track-sc number '${digits}'`);
	const index = Number(digits);
	if (index >= context.stickCounters) {
		return words.fail(
			`${index} track-sc number exceeding ${context.stickCounters - 1} (tune.stick-counters ${context.stickCounters}) value`,
		);
	}
	const expression = words.expression();
	if (expression === undefined) return undefined;
	let tableName = '';
	if (words.take('table')) {
		const word = words.next();
		if (word === undefined) return words.fail('missing table name');
		tableName = word;
	}
	const table = context.table(tableName);
	if (table === undefined) {
		const wanted = tableName === '' ? (context.proxy?.name ?? '') : tableName;
		return words.fail(
			`unable to find table '${wanted}' referenced by track-sc${index}${didYouMean(wanted, context.tableNames())}`,
		);
	}
	if (!canCast(expression.type, KEY_SAMPLE_TYPES[table.model.keyType])) {
		return words.fail(
			`stick-table '${table.name}' has keys of type '${table.model.keyType}', which cannot be made from '${expression.text}' (type '${expression.type}')`,
		);
	}
	const site = context.site;
	const countRequest = compileRequestCount(table, site, context.model.global);
	return (stream) => {
		// The first rule wins until tracking ends; a stream has its session's counters.
		if (stream.tracker(index) !== undefined) return Verdict.CONTINUE;
		const key = expression.evaluate(stream);
		if (key === undefined) return mayComeLater(expression, stream, site) ? Verdict.YIELD : Verdict.CONTINUE;
		const entry = table.track(key, stream.nowMs);
		// 0: no key, or no room. The counter stays untracked and traffic goes on.
		if (entry === 0) return Verdict.CONTINUE;
		stream.track(index, table, entry);
		if (countRequest !== undefined) countRequest(stream, index);
		return Verdict.CONTINUE;
	};
}

interface StatusSets {
	readonly httpErrCodes?: readonly number[];
	readonly httpFailCodes?: readonly number[];
}

/**
 * An HTTP rule tracks while the request is already under way: it is counted at once, and in `http-response` so
 * are its error and failure (specification, section 6).
 */
function compileRequestCount(
	table: StickTable,
	site: RuleSite,
	statuses: StatusSets,
): ((stream: StreamControl, index: number) => void) | undefined {
	if (site !== 'http-request' && site !== 'http-response') return undefined;
	const requests = pairOf(table, 'http_req');
	const errors = pairOf(table, 'http_err');
	const failures = pairOf(table, 'http_fail');
	const { httpErrCodes, httpFailCodes } = statuses;
	return (stream, index) => {
		const counter = stream.tracker(index);
		if (counter === undefined) return;
		addOne(stream, counter, requests);
		if (site === 'http-request') return;
		const status = stream.response?.status ?? 0;
		if (isErrorStatus(status, httpErrCodes)) addOne(stream, counter, errors);
		if (isFailureStatus(status, httpFailCodes)) addOne(stream, counter, failures);
	};
}

/** A stored value by name and, in an array, by element. */
interface Choice {
	readonly name: string;
	readonly index: number;
}

/**
 * A stored value in whichever table a counter happens to track, remembered for the table seen last: rules
 * nearly always meet the same one.
 */
class SlotLookup {
	readonly #choices: readonly Choice[];
	#table: StickTable | undefined;
	#slot: DataSlot | undefined;
	/** The element of the slot that `find` returned last. */
	index = 0;

	/** In order of preference: `gpc0`, else element 0 of `gpc`. */
	constructor(choices: readonly Choice[]) {
		this.#choices = choices;
	}

	/** Undefined when the table stores nothing of the kind, or too short an array. */
	find(table: StickTable): DataSlot | undefined {
		if (table === this.#table) return this.#slot;
		this.#table = table;
		this.#slot = undefined;
		for (const { name, index } of this.#choices) {
			const slot = table.slot(name);
			if (slot === undefined) continue;
			if (index < slot.count) {
				this.#slot = slot;
				this.index = index;
			}
			break;
		}
		return this.#slot;
	}
}

/** What stands in the parentheses: `(<index>,<sc>)`. */
interface CounterArguments {
	readonly index: number;
	readonly counter: number;
}

const ARRAY_INDEX_MAX = 99;

function readCounter(words: RuleWords, text: string, usage: string): number | undefined {
	if (!/^\d+$/.test(text.trim())) return words.fail(`invalid stick table track ID '${text}'. Expects ${usage}`);
	const counter = Number(text);
	const most = words.context.stickCounters - 1;
	if (counter > most) return words.fail(`invalid stick table track ID '${text}'. The max allowed ID is ${most}`);
	return counter;
}

/** `sc-inc-gpc0(<sc>)`; without parentheses counter 0. */
function readSingle(words: RuleWords): number | undefined {
	return readCounter(words, words.parenthesized ?? '0', `${words.keyword}(<Track ID>)`);
}

/** `sc-inc-gpc(<index>,<sc>)`. */
function readIndexed(words: RuleWords, what: 'GPC' | 'GPT'): CounterArguments | undefined {
	const usage = `${words.keyword}(<${what} ID>,<Track ID>)`;
	const [indexText = '', counterText, ...more] = (words.parenthesized ?? '').split(',');
	if (!/^\s*\d+\s*$/.test(indexText) || counterText === undefined || more.length > 0) {
		return words.fail(`Missing ${what.toLowerCase()} ID '${words.words[0] ?? ''}'. Expects ${usage}`);
	}
	const index = Number(indexText);
	if (index > ARRAY_INDEX_MAX) {
		return words.fail(`invalid ${what.toLowerCase()} ID '${indexText.trim()}'. The max allowed ID is ${ARRAY_INDEX_MAX}`);
	}
	const counter = readCounter(words, counterText, usage);
	return counter === undefined ? undefined : { index, counter };
}

/** The operand of `sc-add-gpc` and `sc-set-gpt*`: a plain integer, or an expression. */
function readOperand(words: RuleWords): ((stream: StreamControl) => number | bigint | undefined) | undefined {
	const word = words.peek();
	if (word === undefined || word === '' || words.atCondition()) return words.fail('missing integer or expression');
	const literal = parseInteger(word);
	if (literal !== undefined) {
		words.position++;
		return () => literal;
	}
	if (/^[+-]?\d/.test(word)) return words.fail(`invalid integer value '${word}'`);
	const expression = words.expression();
	if (expression === undefined) return undefined;
	if (!canCast(expression.type, 'sint')) {
		return words.fail(`fetch method '${expression.text}' cannot be converted to an integer`);
	}
	return (stream) => {
		const value = expression.evaluate(stream);
		return value === undefined ? undefined : toInt(value);
	};
}

/** Tags and counters have 32 bits: what is more is cut off (specification, section 12). */
function low32(value: number | bigint): number {
	return typeof value === 'number' && value >= 0 && value <= 0xffffffff
		? value
		: Number(BigInt.asUintN(32, BigInt(value)));
}

/** The legacy names stand for an element of the array where a table has that instead; never the reverse. */
function legacy(name: string, array: string, index: number): readonly Choice[] {
	return [
		{ name, index: 0 },
		{ name: array, index },
	];
}

/** What `sc-inc-gpc0`, `sc-inc-gpc1` and `sc-inc-gpc(i)` move: the counter and its rate, each if stored. */
function counterAction(
	counter: number,
	counts: readonly Choice[],
	rates: readonly Choice[],
	operand: (stream: StreamControl) => number | bigint | undefined,
): Action {
	const countLookup = new SlotLookup(counts);
	const rateLookup = new SlotLookup(rates);
	return (stream) => {
		const tracked = stream.tracker(counter);
		if (tracked === undefined) return Verdict.CONTINUE;
		const { table, entry } = tracked;
		const count = countLookup.find(table);
		const rate = rateLookup.find(table);
		if (count === undefined && rate === undefined) return Verdict.CONTINUE;
		const value = operand(stream);
		if (value === undefined) return Verdict.CONTINUE;
		const amount = low32(value);
		if (count !== undefined) table.add(entry, count, countLookup.index, amount, stream.nowMs);
		if (rate !== undefined) table.add(entry, rate, rateLookup.index, amount, stream.nowMs);
		return Verdict.CONTINUE;
	};
}

const justOne = (): number => 1;

function compileIncrementLegacy(words: RuleWords, index: 0 | 1): Action | undefined {
	const counter = readSingle(words);
	if (counter === undefined) return undefined;
	return counterAction(
		counter,
		legacy(`gpc${index}`, 'gpc', index),
		legacy(`gpc${index}_rate`, 'gpc_rate', index),
		justOne,
	);
}

function compileAdd(words: RuleWords, incrementOnly: boolean): Action | undefined {
	const args = readIndexed(words, 'GPC');
	if (args === undefined) return undefined;
	const operand = incrementOnly ? justOne : readOperand(words);
	if (operand === undefined) return undefined;
	const { index, counter } = args;
	return counterAction(counter, [{ name: 'gpc', index }], [{ name: 'gpc_rate', index }], operand);
}

function tagAction(
	counter: number,
	choices: readonly Choice[],
	operand: (stream: StreamControl) => number | bigint | undefined,
): Action {
	const tags = new SlotLookup(choices);
	return (stream) => {
		const tracked = stream.tracker(counter);
		const slot = tracked === undefined ? undefined : tags.find(tracked.table);
		if (tracked === undefined || slot === undefined) return Verdict.CONTINUE;
		const value = operand(stream);
		if (value !== undefined) tracked.table.set(tracked.entry, slot, tags.index, low32(value), stream.nowMs);
		return Verdict.CONTINUE;
	};
}

function compileSetTag(words: RuleWords): Action | undefined {
	const args = readIndexed(words, 'GPT');
	const operand = args === undefined ? undefined : readOperand(words);
	if (args === undefined || operand === undefined) return undefined;
	return tagAction(args.counter, [{ name: 'gpt', index: args.index }], operand);
}

function compileSetTag0(words: RuleWords): Action | undefined {
	const counter = readSingle(words);
	const operand = counter === undefined ? undefined : readOperand(words);
	if (counter === undefined || operand === undefined) return undefined;
	return tagAction(counter, legacy('gpt0', 'gpt', 0), operand);
}

export const TRACKING_ACTIONS: readonly ActionDescriptor[] = [
	{
		name: 'track-sc',
		sites: [...CONNECTION_SITES, 'tcp-request content', 'http-request', 'http-response'],
		compile: compileTrack,
	},
	{ name: 'sc-inc-gpc', sites: ALL_SITES, parentheses: true, compile: (words) => compileAdd(words, true) },
	{ name: 'sc-inc-gpc0', sites: ALL_SITES, parentheses: true, compile: (words) => compileIncrementLegacy(words, 0) },
	{ name: 'sc-inc-gpc1', sites: ALL_SITES, parentheses: true, compile: (words) => compileIncrementLegacy(words, 1) },
	{ name: 'sc-add-gpc', sites: ALL_SITES, parentheses: true, compile: (words) => compileAdd(words, false) },
	{ name: 'sc-set-gpt', sites: ALL_SITES, parentheses: true, compile: compileSetTag },
	{ name: 'sc-set-gpt0', sites: ALL_SITES, parentheses: true, compile: compileSetTag0 },
];

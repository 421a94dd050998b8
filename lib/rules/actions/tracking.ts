/**
 * Stick counters: `track-sc<n> <key> [table <t>]`, `sc-inc-gpc*`, `sc-add-gpc`, `sc-set-gpt*` (manual, 4.2
 * `http-request track-sc0`; the semantics, with what was seen on the reference, in sections 5, 6 and 12 of
 * the stick-table specification). Tables are resolved here; under traffic a rule is one lookup. That a request
 * counts on an entry it has begun to track is the stream's to know (`StreamControl.track`).
 */
import { didYouMean } from '../../core/diagnostics.js';
import { canBeKey, parseInteger, toInt } from '../../sample/values.js';
import type { DataSlot, GpcSlots, StickTable } from '../../stick-table/table.js';
import {
	type Action,
	type ActionDescriptor,
	ALL_SITES,
	CONNECTION_SITES,
	mayComeLater,
	type RuleWords,
} from '../action.js';
import type { StreamControl } from '../stream-control.js';
import { Verdict } from '../verdict.js';

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
	if (!canBeKey(expression.type, table.model.keyType)) {
		return words.fail(
			`stick-table '${table.name}' has keys of type '${table.model.keyType}', which cannot be made from '${expression.text}' (type '${expression.type}')`,
		);
	}
	const site = context.site;
	return (stream) => {
		// The first rule wins until tracking ends; a stream has its session's counters.
		if (stream.tracker(index) !== undefined) return Verdict.CONTINUE;
		const key = expression.evaluate(stream);
		if (key === undefined) return mayComeLater(expression, stream, site) ? Verdict.YIELD : Verdict.CONTINUE;
		const entry = table.track(key, stream.nowMs);
		// 0: no key, or no room. The counter stays untracked and traffic goes on.
		if (entry === 0) return Verdict.CONTINUE;
		stream.track(index, table, entry);
		return Verdict.CONTINUE;
	};
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
		return words.fail(
			`invalid ${what.toLowerCase()} ID '${indexText.trim()}'. The max allowed ID is ${ARRAY_INDEX_MAX}`,
		);
	}
	const counter = readCounter(words, counterText, usage);
	return counter === undefined ? undefined : { index, counter };
}

/** The operand of `sc-add-gpc` and `sc-set-gpt*`: a plain integer, or an expression. */
function readOperand(words: RuleWords): Operand | undefined {
	const word = words.peek();
	if (word === undefined || word === '' || words.atCondition()) return words.fail('missing integer or expression');
	const literal = parseInteger(word);
	if (literal !== undefined) {
		words.position++;
		return () => literal;
	}
	if (/^[+-]?\d/.test(word)) return words.fail(`invalid integer value '${word}'`);
	const expression = words.integerExpression();
	if (expression === undefined) return undefined;
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

type Operand = (stream: StreamControl) => number | bigint | undefined;

/** Which table a counter tracks shows under traffic; it is nearly always the one seen last. */
function gpcAction(counter: number, name: 'gpc0' | 'gpc1' | 'gpc', index: number, operand: Operand): Action {
	let table: StickTable | undefined;
	let slots: GpcSlots | undefined;
	return (stream) => {
		const tracked = stream.tracker(counter);
		if (tracked === undefined) return Verdict.CONTINUE;
		if (tracked.table !== table) {
			table = tracked.table;
			slots = table.gpcSlots(name, index);
		}
		if (slots === undefined) return Verdict.CONTINUE;
		const value = operand(stream);
		if (value !== undefined) tracked.addGpc(slots, low32(value), stream.nowMs);
		return Verdict.CONTINUE;
	};
}

const justOne = (): number => 1;

function compileIncrementLegacy(words: RuleWords, name: 'gpc0' | 'gpc1'): Action | undefined {
	const counter = readSingle(words);
	return counter === undefined ? undefined : gpcAction(counter, name, 0, justOne);
}

function compileAdd(words: RuleWords, incrementOnly: boolean): Action | undefined {
	const args = readIndexed(words, 'GPC');
	if (args === undefined) return undefined;
	const operand = incrementOnly ? justOne : readOperand(words);
	return operand === undefined ? undefined : gpcAction(args.counter, 'gpc', args.index, operand);
}

function tagAction(counter: number, name: 'gpt0' | 'gpt', index: number, operand: Operand): Action {
	let table: StickTable | undefined;
	let slot: DataSlot | undefined;
	return (stream) => {
		const tracked = stream.tracker(counter);
		if (tracked === undefined) return Verdict.CONTINUE;
		if (tracked.table !== table) {
			table = tracked.table;
			slot = table.slot(name);
		}
		if (slot === undefined) return Verdict.CONTINUE;
		const value = operand(stream);
		if (value !== undefined) tracked.set(slot, index, low32(value), stream.nowMs);
		return Verdict.CONTINUE;
	};
}

function compileSetTag(words: RuleWords): Action | undefined {
	const args = readIndexed(words, 'GPT');
	const operand = args === undefined ? undefined : readOperand(words);
	if (args === undefined || operand === undefined) return undefined;
	return tagAction(args.counter, 'gpt', args.index, operand);
}

function compileSetTag0(words: RuleWords): Action | undefined {
	const counter = readSingle(words);
	const operand = counter === undefined ? undefined : readOperand(words);
	if (counter === undefined || operand === undefined) return undefined;
	return tagAction(counter, 'gpt0', 0, operand);
}

export const TRACKING_ACTIONS: readonly ActionDescriptor[] = [
	{
		name: 'track-sc',
		sites: [...CONNECTION_SITES, 'tcp-request content', 'http-request', 'http-response'],
		compile: compileTrack,
	},
	{ name: 'sc-inc-gpc', sites: ALL_SITES, parentheses: true, compile: (words) => compileAdd(words, true) },
	{
		name: 'sc-inc-gpc0',
		sites: ALL_SITES,
		parentheses: true,
		compile: (words) => compileIncrementLegacy(words, 'gpc0'),
	},
	{
		name: 'sc-inc-gpc1',
		sites: ALL_SITES,
		parentheses: true,
		compile: (words) => compileIncrementLegacy(words, 'gpc1'),
	},
	{ name: 'sc-add-gpc', sites: ALL_SITES, parentheses: true, compile: (words) => compileAdd(words, false) },
	{ name: 'sc-set-gpt', sites: ALL_SITES, parentheses: true, compile: compileSetTag },
	{ name: 'sc-set-gpt0', sites: ALL_SITES, parentheses: true, compile: compileSetTag0 },
];

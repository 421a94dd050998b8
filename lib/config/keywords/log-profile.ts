/**
 * The `log-profile` section (HAProxy 3.1): what a log target that names it is sent at each step of a stream, in the place
 * of the proxy's own formats; and `log-steps`, which says at which steps a proxy logs at all.
 *
 *     log-profile json
 *       log-tag web
 *       on error drop
 *       on close format "%ST %[path]" sd "%{+E}o [x@1 id=\"%ID\"]"
 *       on any format "%OG"
 */
import { didYouMean, type Place } from '../../core/diagnostics.js';
import type { LogProfileDraft } from '../draft.js';
import type { Line, LogProfileStepModel } from '../model.js';
import { type Keyword, KeywordTable, type Statement } from '../statement.js';

/** What happens to every stream, in its order; `close` is the line that is always written without `log-steps`. */
export const LOG_STEPS = ['accept', 'request', 'connect', 'response', 'close'] as const;
export type LogStep = (typeof LOG_STEPS)[number];

/** Steps of `do-log`, by the rule set that it stands in. */
export const RULE_LOG_STEPS = {
	'tcp-request connection': 'tcp-req-conn',
	'tcp-request session': 'tcp-req-sess',
	'tcp-request content': 'tcp-req-cont',
	'tcp-response content': 'tcp-res-cont',
	'http-request': 'http-req',
	'http-response': 'http-res',
	'http-after-response': 'http-after-res',
} as const;
export type RuleLogStep = (typeof RULE_LOG_STEPS)[keyof typeof RULE_LOG_STEPS];

/** `error`: what never became a stream; `any`: every step without a line of its own. */
const PROFILE_STEPS: readonly string[] = [...LOG_STEPS, 'error', 'any', ...Object.values(RULE_LOG_STEPS)];

export const newLogProfile = (name: string, place: Place): LogProfileDraft => ({
	place,
	name,
	logTag: undefined,
	steps: new Map(),
});

function readOn(statement: Statement, profile: LogProfileDraft): void {
	const step = statement.word(1);
	if (!PROFILE_STEPS.includes(step)) {
		const known = PROFILE_STEPS.map((name) => `'${name}'`).join(', ');
		statement.alert(
			step === ''
				? `'on' expects a logging step, one of ${known}`
				: `'on' : unknown logging step '${step}'${didYouMean(step, PROFILE_STEPS)} It may be ${known}.`,
		);
		return;
	}
	const read: { drop: boolean; format: Line | undefined; sd: Line | undefined } = {
		drop: false,
		format: undefined,
		sd: undefined,
	};
	let i = 2;
	while (i < statement.words.length) {
		const word = statement.word(i);
		if (word === 'drop') {
			read.drop = true;
			i++;
		} else if (word === 'format' || word === 'sd') {
			if (statement.word(i + 1) === '') {
				statement.alert(`'on ${step}' : '${word}' expects a log format`);
				return;
			}
			read[word] = { place: statement.place, words: [statement.word(i + 1)] };
			i += 2;
		} else {
			statement.alert(
				`'on ${step}' expects 'drop', 'format' or 'sd', got '${word}'${didYouMean(word, ['drop', 'format', 'sd'])}`,
			);
			return;
		}
	}
	if (statement.words.length === 2) statement.alert(`'on ${step}' expects 'drop', 'format <fmt>' or 'sd <fmt>'`);
	else profile.steps.set(step, { place: statement.place, ...read } satisfies LogProfileStepModel);
}

/** `log-steps accept,close`, `log-steps all`: undefined after a mistake. */
export function readLogSteps(statement: Statement): LogStep[] | undefined {
	const text = statement.onlyArgument(`'all', or a list of ${LOG_STEPS.join(',')}`);
	if (text === undefined) return undefined;
	if (text === 'all') return [...LOG_STEPS];
	const steps: LogStep[] = [];
	for (const word of text.split(',')) {
		const step = LOG_STEPS.find((known) => known === word);
		if (step === undefined) {
			statement.alert(`'log-steps' : unknown logging step '${word}'${didYouMean(word, [...LOG_STEPS, 'all'])}`);
			return undefined;
		}
		if (!steps.includes(step)) steps.push(step);
	}
	return steps;
}

const BUILT: readonly Keyword<LogProfileDraft>[] = [
	{
		name: 'log-tag',
		parse(statement, profile) {
			profile.logTag = statement.onlyArgument('a tag for use in syslog') ?? profile.logTag;
		},
	},
	{ name: 'on', parse: readOn },
];

export const LOG_PROFILE_KEYWORDS = new KeywordTable<LogProfileDraft>(BUILT);

/**
 * What a check expects: `http-check expect` and `tcp-check expect` with their matches, and what they make of the
 * outcome (manual, 4.2).
 */
import { didYouMean } from '../../core/diagnostics.js';
import type { ExpectMatch, ExpectStep, HeaderMatch } from '../health-model.js';
import { bytesOfHex, type StepWords } from './check-words.js';

function readStatusRanges(text: string, words: StepWords): (readonly [number, number])[] {
	const ranges: (readonly [number, number])[] = [];
	for (const part of text.split(',')) {
		const found = /^(\d{3})(?:-(\d{3}))?$/.exec(part.trim());
		const low = Number(found?.[1]);
		const high = Number(found?.[2] ?? found?.[1]);
		if (found === null || low > high) {
			words.fail(`: invalid status code or range '${part}'`);
			return [];
		}
		ranges.push([low, high]);
	}
	return ranges;
}

/** `name|name-lf|value|value-lf [-m <method>] <pattern>`, at `name`. */
function readHeaderMatch(words: StepWords, isFormat: boolean): HeaderMatch {
	words.at++;
	let method: HeaderMatch['method'] = 'str';
	if (words.word === '-m') {
		const found = words.choice(['str', 'beg', 'end', 'sub', 'reg']);
		if (found !== undefined) method = found;
		if (method === 'reg' && isFormat) words.fail(`: a log format cannot be a regular expression`);
	}
	const text = words.word;
	if (words.ended) words.fail('expects a pattern');
	words.at++;
	return { method, pattern: { text, isFormat } };
}

function readHeaderMatches(words: StepWords, kind: 'hdr' | 'fhdr'): ExpectMatch {
	words.at++;
	if (words.word !== 'name' && words.word !== 'name-lf') words.fail(`: '${kind}' expects 'name' or 'name-lf'`);
	const name = readHeaderMatch(words, words.word === 'name-lf');
	const hasValue = words.word === 'value' || words.word === 'value-lf';
	const value = hasValue ? readHeaderMatch(words, words.word === 'value-lf') : undefined;
	return { kind, name, value };
}

const HTTP_MATCHES = ['status', 'rstatus', 'hdr', 'fhdr', 'string', 'string-lf', 'rstring'];
const TCP_MATCHES = ['string', 'string-lf', 'rstring', 'binary', 'binary-lf', 'rbinary'];

function readMatch(words: StepWords, isHttp: boolean): ExpectMatch | undefined {
	const known = isHttp ? HTTP_MATCHES : TCP_MATCHES;
	const kind = words.word;
	if (!known.includes(kind)) {
		words.fail(
			`: unsupported match '${kind}'${didYouMean(kind, known)}; it expects one of ${known.map((name) => `'${name}'`).join(', ')}`,
		);
		return undefined;
	}
	if (kind === 'hdr' || kind === 'fhdr') return readHeaderMatches(words, kind);
	const text = words.value();
	switch (kind) {
		case 'status':
			return { kind, ranges: readStatusRanges(text, words) };
		case 'rstatus':
		case 'rstring':
		case 'rbinary':
			return { kind, regex: text };
		case 'binary':
			return { kind, pattern: { text: bytesOfHex(text, words), isFormat: false }, isHex: false };
		case 'binary-lf':
			return { kind: 'binary', pattern: { text, isFormat: true }, isHex: true };
		default:
			return { kind: 'string', pattern: { text, isFormat: kind === 'string-lf' }, isHex: false };
	}
}

export function readExpect(words: StepWords, isHttp: boolean): ExpectStep | undefined {
	const step: { -readonly [K in keyof ExpectStep]?: ExpectStep[K] } = { comment: undefined };
	let minRecv = -1;
	let negated = false;
	let match: ExpectMatch | undefined;
	// In any order: HAProxy takes options behind the pattern as well.
	while (!words.ended && !words.failed) {
		const name = words.word;
		switch (name) {
			case 'min-recv': {
				const value = words.statement.integer(words.at + 1, 'min-recv', -1, 2 ** 31 - 1);
				words.failed ||= value === undefined;
				minRecv = value ?? -1;
				words.at += 2;
				break;
			}
			case 'comment':
				step.comment = words.value();
				break;
			case 'ok-status':
				step.okStatus = words.choice(['L7OK', 'L7OKC', 'L6OK', 'L4OK']);
				break;
			case 'error-status':
				step.errorStatus = words.choice(['L7OKC', 'L7RSP', 'L7STS', 'L6RSP', 'L4CON']);
				break;
			case 'tout-status':
				step.timeoutStatus = words.choice(['L7TOUT', 'L6TOUT', 'L4TOUT']);
				break;
			case 'on-success':
				step.onSuccess = words.value();
				break;
			case 'on-error':
				step.onError = words.value();
				break;
			case 'status-code':
				step.statusCode = { place: words.statement.place, words: [words.value()] };
				break;
			case '!':
				negated = !negated;
				words.at++;
				break;
			default:
				if (match === undefined) match = readMatch(words, isHttp);
				else if ((isHttp ? HTTP_MATCHES : TCP_MATCHES).includes(name)) words.fail(': only one pattern expected');
				else words.fail(`cannot handle unexpected argument '${name}'`);
		}
	}
	if (match === undefined && !words.failed) words.fail('expects a match and a pattern');
	if (words.failed || match === undefined) return undefined;
	return {
		kind: 'expect',
		place: words.statement.place,
		comment: step.comment,
		match,
		negated,
		minRecv,
		okStatus: step.okStatus,
		errorStatus: step.errorStatus,
		timeoutStatus: step.timeoutStatus,
		onSuccess: step.onSuccess,
		onError: step.onError,
		statusCode: step.statusCode,
	};
}

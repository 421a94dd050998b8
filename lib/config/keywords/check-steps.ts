/**
 * The lines of `http-check` and `tcp-check`, each one step of a check's dialogue: connect, send, expect, a variable
 * (manual, 4.2).
 */
import { didYouMean } from '../../core/diagnostics.js';
import { parseAddress } from '../address.js';
import type { CheckStepModel, CheckText, ConnectStep, HttpSendStep } from '../health-model.js';
import type { Statement } from '../statement.js';
import { readExpect } from './check-expect.js';
import { bytesOfHex, StepWords } from './check-words.js';
import type { HealthCheckDraft } from './health-checks.js';

const PROTOCOLS = ['h1', 'h2', 'none'] as const;

/** `proto` of a connect step: `h1` and `h2` of HTTP, `none` of TCP (manual, 4.2 `http-check connect`). */
function readProtocol(words: StepWords, isHttp: boolean): 'h1' | 'h2' | undefined {
	const name = words.value();
	const known = PROTOCOLS.find((proto) => proto === name);
	if (name === 'fcgi') words.fail(`: 'proto fcgi' is not supported by holdfast`);
	else if (known === undefined) words.fail(`: 'proto' : unknown MUX protocol '${name}'.`);
	else if ((known === 'none') === isHttp) {
		words.fail(`: 'proto' : invalid MUX protocol '${name}' for ${isHttp ? 'http' : 'tcp'}-check.`);
	}
	return known === 'none' ? undefined : known;
}

function readConnect(words: StepWords, isHttp: boolean): ConnectStep | undefined {
	const step: { -readonly [K in keyof ConnectStep]: ConnectStep[K] } = {
		kind: 'connect',
		place: words.statement.place,
		comment: undefined,
		useDefaults: false,
		port: undefined,
		address: undefined,
		sendProxy: false,
		viaSocks4: false,
		ssl: false,
		sni: undefined,
		alpn: [],
		proto: undefined,
		linger: false,
	};
	while (!words.ended && !words.failed) {
		switch (words.word) {
			case 'default':
				step.useDefaults = true;
				words.at++;
				break;
			case 'port': {
				const text = words.value();
				const port = Number(text);
				if (/^\d+$/.test(text) && (port < 1 || port > 65535)) words.fail(`expects a port between 1 and 65535`);
				step.port = /^\d+$/.test(text) ? port : { place: words.statement.place, words: [text] };
				break;
			}
			case 'addr': {
				const parsed = parseAddress(words.value(), { port: 'optional' });
				if (parsed.ok) step.address = parsed.address;
				else words.fail(`: ${parsed.reason}`);
				break;
			}
			case 'send-proxy':
				step.sendProxy = true;
				words.at++;
				break;
			case 'ssl':
				step.ssl = true;
				words.at++;
				break;
			case 'linger':
				step.linger = true;
				words.at++;
				break;
			case 'sni':
				step.sni = words.value();
				break;
			case 'alpn':
				step.alpn = words.value().split(',');
				break;
			case 'proto':
				step.proto = readProtocol(words, isHttp);
				break;
			case 'comment':
				step.comment = words.value();
				break;
			case 'via-socks4':
				step.viaSocks4 = true;
				words.at++;
				break;
			default:
				words.fail(
					`expects 'comment', 'port', 'addr', 'send-proxy', 'ssl', 'via-socks4', 'sni', 'alpn', 'linger', 'proto' or 'default' but got '${words.word}'`,
				);
		}
	}
	return words.failed ? undefined : step;
}

/** `tcp-check send`, `send-lf`, `send-binary`, `send-binary-lf` */
function readSend(words: StepWords, isHex: boolean, isFormat: boolean): CheckStepModel | undefined {
	const text = words.word;
	if (text === '') words.fail(`expects a ${isHex ? 'binary ' : ''}string`);
	words.at++;
	let comment: string | undefined;
	if (words.word === 'comment') comment = words.value();
	if (!words.ended) words.fail(`expects 'comment' but got '${words.word}'`);
	const data = isHex && !isFormat ? bytesOfHex(text, words) : text;
	if (words.failed) return undefined;
	return {
		kind: 'send',
		place: words.statement.place,
		comment,
		data: { text: data, isFormat },
		isHex: isHex && isFormat,
	};
}

/** `http-check send`; what it does not say is taken from the `option httpchk` line. */
function readHttpSend(words: StepWords, draft: HealthCheckDraft): HttpSendStep | undefined {
	const { request } = draft;
	let { method, uri, version } = request;
	let comment: string | undefined;
	let body: CheckText | undefined;
	const headers: [string, string][] = [];
	while (!words.ended && !words.failed) {
		const name = words.word;
		switch (name) {
			case 'meth':
				method = words.value();
				break;
			case 'uri':
			case 'uri-lf':
				uri = { text: words.value(), isFormat: name === 'uri-lf' };
				break;
			case 'ver':
				version = words.value();
				if (!/^HTTP\/\d\.\d$/.test(version)) words.fail(`: invalid HTTP version '${version}'`);
				break;
			case 'hdr': {
				const field = words.statement.word(words.at + 1);
				const value = words.statement.words[words.at + 2];
				words.at += 3;
				if (value === undefined) words.fail(`: 'hdr' expects a name and a value`);
				else if (!/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(field)) words.fail(`: invalid header name '${field}'`);
				// They follow from the body (manual, `http-check send`).
				else if (!/^(?:content-length|transfer-encoding)$/i.test(field)) headers.push([field, value]);
				break;
			}
			case 'body':
			case 'body-lf':
				body = { text: words.value(), isFormat: name === 'body-lf' };
				break;
			case 'comment':
				comment = words.value();
				break;
			default:
				words.fail(
					`expects 'comment', 'meth', 'uri', 'uri-lf', 'ver', 'hdr', 'body' or 'body-lf' but got '${name}'${didYouMean(name, ['meth', 'uri', 'ver', 'hdr', 'body', 'comment'])}`,
				);
		}
	}
	if (words.failed) return undefined;
	return { kind: 'http-send', place: words.statement.place, comment, method, uri, version, headers, body };
}

function readComment(words: StepWords): CheckStepModel | undefined {
	const comment = words.word;
	if (comment === '') words.fail('expects a string as argument');
	return words.failed ? undefined : { kind: 'comment', place: words.statement.place, comment };
}

const VARIABLE_RULE = /^(?:set-var|set-var-fmt|unset-var)\(/;

export function readTcpStep(statement: Statement): CheckStepModel | undefined {
	const words = new StepWords(statement);
	const verb = statement.word(1);
	switch (verb) {
		case 'connect':
			return readConnect(words, false);
		case 'send':
		case 'send-lf':
			return readSend(words, false, verb === 'send-lf');
		case 'send-binary':
		case 'send-binary-lf':
			return readSend(words, true, verb === 'send-binary-lf');
		case 'expect':
			return readExpect(words, false);
		case 'comment':
			return readComment(words);
		default:
			return readVariableStep(statement, [
				'comment',
				'connect',
				'send',
				'send-lf',
				'send-binary',
				'send-binary-lf',
				'expect',
			]);
	}
}

function readVariableStep(statement: Statement, known: readonly string[]): CheckStepModel | undefined {
	const verb = statement.word(1);
	if (VARIABLE_RULE.test(verb)) return { kind: 'variable', place: statement.place, line: statement.rest(1) };
	const all = [...known, 'set-var', 'set-var-fmt', 'unset-var'];
	const list = all.map((name) => `'${name}'`).join(', ');
	statement.alert(`'${statement.word(0)}' expects one of ${list}, got '${verb}'${didYouMean(verb, all)}`);
	return undefined;
}

export function readHttpStep(statement: Statement, draft: HealthCheckDraft): CheckStepModel | undefined {
	const words = new StepWords(statement);
	switch (statement.word(1)) {
		case 'connect':
			return readConnect(words, true);
		case 'send':
			return readHttpSend(words, draft);
		case 'expect':
			return readExpect(words, true);
		case 'comment':
			return readComment(words);
		default:
			return readVariableStep(statement, ['comment', 'connect', 'disable-on-404', 'expect', 'send', 'send-state']);
	}
}

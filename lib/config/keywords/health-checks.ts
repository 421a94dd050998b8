/**
 * How the servers of a backend are checked: `option httpchk`, `option tcp-check`, the ready-made checks, and the
 * lines of `http-check` and `tcp-check` (manual, 4.2). The last `option` that chooses a check wins; lines of
 * the kind that was not chosen are kept by the reader and not used, as in HAProxy.
 */
import { didYouMean } from '../../core/diagnostics.js';
import { parseAddress } from '../address.js';
import type { ProxyDraft } from '../draft.js';
import type {
	CheckStepModel,
	CheckText,
	ConnectStep,
	ExpectMatch,
	ExpectStep,
	HeaderMatch,
	HealthCheckModel,
	HttpSendStep,
} from '../health-model.js';
import { type Keyword, refused, type Statement } from '../statement.js';
import type { ProxySite } from './proxy.js';

const BACK = ['defaults', 'listen', 'backend'];

/** What the lines have said so far. Lists begin anew in a section that follows a `defaults` section. */
export interface HealthCheckDraft {
	/** The check that `option` has chosen. */
	readonly chosen: 'none' | 'httpchk' | 'tcp-check' | 'external' | HealthCheckModel;
	/** `external-check command` and `path`. */
	readonly externalCommand: string;
	readonly externalPath: string;
	readonly httpSteps: readonly CheckStepModel[];
	readonly tcpSteps: readonly CheckStepModel[];
	/** Steps that came with the defaults; the first line of the section's own puts them away. */
	readonly httpInherited: boolean;
	readonly tcpInherited: boolean;
	/** The request of the `option httpchk` line. */
	readonly request: Pick<HttpSendStep, 'method' | 'uri' | 'version' | 'headers'>;
	readonly disableOn404: boolean;
	readonly sendState: boolean;
}

export const NO_HEALTH_CHECK: HealthCheckDraft = {
	chosen: 'none',
	externalCommand: '',
	externalPath: '',
	httpSteps: [],
	tcpSteps: [],
	httpInherited: false,
	tcpInherited: false,
	request: { method: 'OPTIONS', uri: { text: '/', isFormat: false }, version: 'HTTP/1.0', headers: [] },
	disableOn404: false,
	sendState: false,
};

/** What a section takes from its `defaults`. */
export function inheritHealthCheck(from: HealthCheckDraft): HealthCheckDraft {
	return { ...from, httpInherited: true, tcpInherited: true };
}

function change(proxy: ProxyDraft, fields: Partial<HealthCheckDraft>): void {
	proxy.health = { ...proxy.health, ...fields };
}

// Options

function choose(proxy: ProxyDraft, statement: Statement, chosen: HealthCheckDraft['chosen']): void {
	change(proxy, { chosen: statement.prefix === undefined ? chosen : 'none' });
}

/** `option httpchk [[<method>] <uri> [<version>]]`; headers after the version, the old way, are taken too. */
function readHttpchk(statement: Statement, { proxy }: ProxySite): void {
	choose(proxy, statement, 'httpchk');
	if (statement.prefix !== undefined) return;
	const [first, second, ...version] = statement.words.slice(2);
	if (first === undefined) {
		change(proxy, { request: NO_HEALTH_CHECK.request });
		return;
	}
	const [method, uri] = second === undefined ? ['OPTIONS', first] : [first, second];
	const [word = 'HTTP/1.0', ...lines] = version.join(' ').split('\r\n');
	const versionText = word === '' ? 'HTTP/1.0' : word;
	if (!/^HTTP\/\d\.\d$/.test(versionText)) {
		statement.alert(`'option httpchk' : invalid HTTP version '${versionText}'.`);
		return;
	}
	const headers: [string, string][] = [];
	for (const line of lines) {
		if (line === '') continue;
		const colon = line.indexOf(':');
		if (colon <= 0) {
			statement.alert(`'option httpchk' : '${line}' after the version is no header field.`);
			return;
		}
		headers.push([
			line.slice(0, colon),
			line
				.slice(colon + 1)
				.trim()
				.replaceAll('%', '%%'),
		]);
	}
	if (headers.length > 0) {
		statement.warning(
			`'option httpchk' : hiding headers or body at the end of the version string is deprecated. Please, consider to use 'http-check send' directive instead.`,
		);
	}
	change(proxy, { request: { method, uri: { text: uri, isFormat: false }, version: versionText, headers } });
}

function readMysqlCheck(statement: Statement, { proxy }: ProxySite): void {
	const [user, name, version] = statement.words.slice(2);
	if (user !== undefined && (user !== 'user' || name === undefined)) {
		statement.alert(`'option mysql-check' expects 'user <username>' and optionally 'post-41' or 'pre-41'.`);
		return;
	}
	if (version !== undefined && version !== 'post-41' && version !== 'pre-41') {
		statement.alert(
			`keyword '${version}' only supports 'post-41' and 'pre-41' after 'option mysql-check user <username>'`,
		);
		return;
	}
	if (!statement.atMost(3, 2)) return;
	choose(proxy, statement, {
		kind: 'ready-made',
		check: { kind: 'mysql', user: name, post41: version !== 'pre-41' },
	});
}

function readSmtpCheck(statement: Statement, { proxy }: ProxySite): void {
	const [hello, domain] = statement.words.slice(2);
	if (hello !== undefined && domain === undefined) {
		statement.alert(`'option smtpchk' expects a domain name after '${hello}'.`);
		return;
	}
	if (!statement.atMost(2, 2)) return;
	// Any other command is turned into the default one (manual, `option smtpchk`).
	const known = hello === 'EHLO' || hello === 'HELO';
	const command = known ? `${hello} ${domain}` : 'HELO localhost';
	choose(proxy, statement, { kind: 'ready-made', check: { kind: 'smtp', command } });
}

function readPgsqlCheck(statement: Statement, { proxy }: ProxySite): void {
	if (statement.prefix === undefined && (statement.word(2) !== 'user' || statement.word(3) === '')) {
		statement.alert(`'option pgsql-check' expects 'user <username>'.`);
		return;
	}
	if (!statement.atMost(2, 2)) return;
	choose(proxy, statement, { kind: 'ready-made', check: { kind: 'pgsql', user: statement.word(3) } });
}

const simpleCheck = (name: string, chosen: HealthCheckDraft['chosen']): Keyword<ProxySite> => ({
	name: `option ${name}`,
	sections: BACK,
	invertible: true,
	parse(statement, { proxy }) {
		if (statement.atMost(0, 2)) choose(proxy, statement, chosen);
	},
});

// Steps

/** Reads `name value` pairs of one rule line from the left; what is no pair ends it. */
class StepWords {
	readonly statement: Statement;
	readonly title: string;
	at: number;
	failed = false;

	constructor(statement: Statement) {
		this.statement = statement;
		this.title = statement.words.slice(0, 2).join(' ');
		this.at = 2;
	}

	get word(): string {
		return this.statement.word(this.at);
	}

	get ended(): boolean {
		return this.at >= this.statement.words.length;
	}

	/** The word after the present one; both are taken. */
	value(): string {
		const name = this.word;
		const value = this.statement.words[this.at + 1];
		this.at += 2;
		if (value === undefined) this.fail(`expects an argument after '${name}'`);
		return value ?? '';
	}

	choice<T extends string>(choices: readonly T[]): T | undefined {
		const name = this.word;
		const value = this.value();
		const found = choices.find((choice) => choice === value);
		if (found === undefined && !this.failed) {
			this.fail(`: '${name}' expects ${choices.map((choice) => `'${choice}'`).join(', ')}, got '${value}'`);
		}
		return found;
	}

	fail(text: string): void {
		if (!this.failed) this.statement.alert(`'${this.title}' ${text}.`);
		this.failed = true;
	}
}

function readConnect(words: StepWords): ConnectStep | undefined {
	const step: { -readonly [K in keyof ConnectStep]: ConnectStep[K] } = {
		kind: 'connect',
		place: words.statement.place,
		comment: undefined,
		useDefaults: false,
		port: undefined,
		address: undefined,
		sendProxy: false,
		ssl: false,
		sni: undefined,
		alpn: [],
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
			case 'proto': {
				const proto = words.value();
				if (proto !== 'h1' && proto !== 'none') words.fail(`: 'proto ${proto}' is not supported by holdfast`);
				break;
			}
			case 'comment':
				step.comment = words.value();
				break;
			case 'via-socks4':
				words.fail(`: 'via-socks4' is not supported by holdfast`);
				break;
			default:
				words.fail(
					`expects 'comment', 'port', 'addr', 'send-proxy', 'ssl', 'sni', 'alpn', 'linger', 'proto' or 'default' but got '${words.word}'`,
				);
		}
	}
	return words.failed ? undefined : step;
}

const HEX = /^(?:[0-9a-fA-F]{2})*$/;

function bytesOfHex(text: string, words: StepWords): string {
	if (!HEX.test(text)) words.fail(`expects a binary string, invalid hexadecimal digits or an odd number of them`);
	return Buffer.from(text, 'hex').toString('latin1');
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

function readExpect(words: StepWords, isHttp: boolean): ExpectStep | undefined {
	const step: { -readonly [K in keyof ExpectStep]?: ExpectStep[K] } = { comment: undefined };
	let minRecv = -1;
	let negated = false;
	let match: ExpectMatch | undefined;
	while (!words.ended && !words.failed && match === undefined) {
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
				match = readMatch(words, isHttp);
		}
	}
	if (match === undefined) words.fail('expects a match and a pattern');
	// What may also stand behind the pattern.
	while (!words.ended && !words.failed) {
		if (words.word === 'comment') step.comment = words.value();
		else words.fail(`cannot handle unexpected argument '${words.word}'`);
	}
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

function readComment(words: StepWords): CheckStepModel | undefined {
	const comment = words.word;
	if (comment === '') words.fail('expects a string as argument');
	return words.failed ? undefined : { kind: 'comment', place: words.statement.place, comment };
}

const VARIABLE_RULE = /^(?:set-var|set-var-fmt|unset-var)\(/;

function readTcpStep(statement: Statement): CheckStepModel | undefined {
	const words = new StepWords(statement);
	const verb = statement.word(1);
	switch (verb) {
		case 'connect':
			return readConnect(words);
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

function readHttpStep(statement: Statement, draft: HealthCheckDraft): CheckStepModel | undefined {
	const words = new StepWords(statement);
	switch (statement.word(1)) {
		case 'connect':
			return readConnect(words);
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

function readTcpCheck(statement: Statement, { proxy }: ProxySite): void {
	const step = readTcpStep(statement);
	if (step === undefined) return;
	const { tcpSteps, tcpInherited } = proxy.health;
	change(proxy, { tcpSteps: [...(tcpInherited ? [] : tcpSteps), step], tcpInherited: false });
}

function readHttpCheck(statement: Statement, { proxy }: ProxySite): void {
	const verb = statement.word(1);
	if (verb === 'disable-on-404' || verb === 'send-state') {
		if (statement.atMost(0, 2)) change(proxy, verb === 'send-state' ? { sendState: true } : { disableOn404: true });
		return;
	}
	const step = readHttpStep(statement, proxy.health);
	if (step === undefined) return;
	const { httpSteps, httpInherited } = proxy.health;
	change(proxy, { httpSteps: [...(httpInherited ? [] : httpSteps), step], httpInherited: false });
}

/** `external-check command <command>`, `external-check path <path>` (manual, 4.2). */
function readExternalCheck(statement: Statement, { proxy }: ProxySite): void {
	const what = statement.word(1);
	const value = statement.word(2);
	if (what === '') statement.alert(`missing argument after 'external-check'.`);
	else if (what !== 'command' && what !== 'path') {
		statement.alert(`'external-check' only supports 'command' and 'path'. but got '${what}'.`);
	} else if (value === '') statement.alert(`missing argument after '${what}'.`);
	else if (statement.atMost(1, 2)) {
		change(proxy, what === 'command' ? { externalCommand: value } : { externalPath: value });
	}
}

export const HEALTH_CHECK_KEYWORDS: readonly Keyword<ProxySite>[] = [
	{ name: 'option httpchk', sections: BACK, invertible: true, parse: readHttpchk },
	simpleCheck('tcp-check', 'tcp-check'),
	simpleCheck('redis-check', { kind: 'ready-made', check: { kind: 'redis' } }),
	simpleCheck('ldap-check', { kind: 'ready-made', check: { kind: 'ldap' } }),
	simpleCheck('ssl-hello-chk', { kind: 'ready-made', check: { kind: 'ssl-hello' } }),
	{ name: 'option mysql-check', sections: BACK, invertible: true, parse: readMysqlCheck },
	{ name: 'option pgsql-check', sections: BACK, invertible: true, parse: readPgsqlCheck },
	{ name: 'option smtpchk', sections: BACK, invertible: true, parse: readSmtpCheck },
	{ name: 'http-check', sections: BACK, parse: readHttpCheck },
	{ name: 'tcp-check', sections: BACK, parse: readTcpCheck },
	simpleCheck('external-check', 'external'),
	{ name: 'external-check', sections: BACK, parse: readExternalCheck },
	...refused<ProxySite>(['option spop-check'], 'there are no SPOE filters'),
];

// The model

const implicitConnect = (place: CheckStepModel['place']): ConnectStep => ({
	kind: 'connect',
	place,
	comment: undefined,
	useDefaults: true,
	port: undefined,
	address: undefined,
	sendProxy: false,
	ssl: false,
	sni: undefined,
	alpn: [],
	linger: false,
});

/** The check of a section whose lines are all read. A sequence may lack its first connection and its end. */
export function finishHealthCheck(
	proxy: ProxyDraft,
	alert: (step: CheckStepModel, text: string) => void,
): HealthCheckModel {
	const { chosen, httpSteps, tcpSteps, request, disableOn404, sendState } = proxy.health;
	if (typeof chosen !== 'string') return chosen;
	if (chosen === 'none') return { kind: 'connect' };
	if (chosen === 'external') {
		const { externalCommand: command, externalPath: path } = proxy.health;
		return { kind: 'external', command, path };
	}
	const steps = chosen === 'httpchk' ? httpSteps : tcpSteps;
	const hasConnect = steps.some((step) => step.kind === 'connect');
	const first = steps.find((step) => step.kind !== 'comment' && step.kind !== 'variable');
	if (hasConnect && first !== undefined && first.kind !== 'connect') {
		alert(
			first,
			`first step MUST also be a 'connect', optionally preceded by a 'set-var', an 'unset-var' or a 'comment' rule, when there is a 'connect' step in the ${chosen === 'httpchk' ? 'http-check' : 'tcp-check'} ruleset.`,
		);
	}
	if (chosen === 'tcp-check') return { kind: 'tcp-check', steps };
	const whole: CheckStepModel[] = [...steps];
	if (!whole.some((step) => step.kind === 'http-send')) {
		const send: HttpSendStep = {
			kind: 'http-send',
			place: proxy.place,
			comment: undefined,
			body: undefined,
			...request,
		};
		const at = whole.findIndex((step) => step.kind === 'connect');
		const expectAt = whole.findIndex((step) => step.kind === 'expect');
		whole.splice(at >= 0 ? at + 1 : expectAt >= 0 ? expectAt : whole.length, 0, send);
	} else if (httpSteps.length > 0) {
		// The request line of `option httpchk` belongs to the first request (manual, `http-check send`).
		const at = whole.findIndex((step) => step.kind === 'http-send');
		const own = whole[at] as HttpSendStep;
		whole[at] = withRequestOf(own, request);
	}
	const last = whole.findLast((step) => step.kind !== 'comment' && step.kind !== 'variable');
	if (last?.kind === 'http-send') {
		whole.push({
			kind: 'expect',
			place: proxy.place,
			comment: undefined,
			match: { kind: 'status', ranges: [[200, 399]] },
			negated: false,
			minRecv: -1,
			okStatus: undefined,
			errorStatus: undefined,
			timeoutStatus: undefined,
			onSuccess: undefined,
			onError: undefined,
			statusCode: undefined,
		});
	}
	if (!hasConnect) whole.unshift(implicitConnect(proxy.place));
	return { kind: 'httpchk', steps: whole, disableOn404, sendState };
}

/** An `option httpchk` line may stand after the `http-check send` that adds headers to it. */
function withRequestOf(step: HttpSendStep, request: HealthCheckDraft['request']): HttpSendStep {
	const plain = NO_HEALTH_CHECK.request;
	return {
		...step,
		method: step.method === plain.method ? request.method : step.method,
		uri: step.uri.text === plain.uri.text && !step.uri.isFormat ? request.uri : step.uri,
		version: step.version === plain.version ? request.version : step.version,
		headers: [...request.headers, ...step.headers],
	};
}

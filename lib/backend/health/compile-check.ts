/**
 * From the lines of a check to steps that run: log formats, expressions and regular expressions are compiled
 * here, once, and their mistakes named with their lines.
 */
import type {
	CheckStepModel,
	CheckText,
	ExpectMatch,
	ExpectStep,
	HealthCheckModel,
	HttpSendStep,
} from '../../config/health-model.js';
import type { ProxyModel } from '../../config/model.js';
import type { HeaderList } from '../../http/message.js';
import { compileVariableRule } from '../../rules/actions/variables.js';
import { compileExpression } from '../../sample/expression.js';
import { compileLogFormat, type LogFormat } from '../../sample/log-format.js';
import { compileRegex, type Regex } from '../../sample/regex.js';
import type { CompileContext, StreamView } from '../../sample/types.js';
import { castTo } from '../../sample/values.js';
import { CheckStatus } from './check-status.js';
import { firstListener } from './external-run.js';
import { readyMadeCheck } from './ready-made.js';
import type {
	CheckAction,
	CheckRequest,
	CompiledCheck,
	ExpectAction,
	Received,
	SendAction,
	StepJudgement,
} from './steps.js';

/** The check of a backend; undefined after an error. */
export function compileHealthCheck(proxy: ProxyModel, context: CompileContext): CompiledCheck | undefined {
	const model: HealthCheckModel = proxy.healthCheck;
	switch (model.kind) {
		case 'connect':
			return CONNECT_CHECK;
		case 'external': {
			const { command, path } = model;
			return { ...CONNECT_CHECK, external: { command, path, listener: firstListener(proxy) } };
		}
		case 'ready-made':
			return readyMadeCheck(model.check);
		case 'tcp-check': {
			const actions = compileSteps(model.steps, false, context);
			if (actions === undefined) return undefined;
			return { actions: withConnection(actions), namesSteps: true, disableOn404: false, sendState: false };
		}
		case 'httpchk': {
			const actions = compileSteps(model.steps, true, context);
			if (actions === undefined) return undefined;
			const { disableOn404, sendState } = model;
			return { actions: withConnection(actions), namesSteps: false, isHttp: true, disableOn404, sendState };
		}
	}
}

/** A connection, and no more. */
export const CONNECT_CHECK: CompiledCheck = {
	actions: withConnection([]),
	namesSteps: false,
	disableOn404: false,
	sendState: false,
};

function withConnection(actions: readonly CheckAction[]): readonly CheckAction[] {
	if (actions.some(({ kind }) => kind === 'connect')) return actions;
	return [
		{
			kind: 'connect',
			isImplicit: true,
			number: 0,
			label: 'connect',
			comment: undefined,
			port: undefined,
			host: undefined,
			usesServerSettings: true,
			sendProxy: false,
			viaSocks4: false,
			ssl: false,
			sni: undefined,
			alpn: [],
			proto: undefined,
			linger: false,
		},
		...actions,
	];
}

function compileSteps(
	steps: readonly CheckStepModel[],
	isHttp: boolean,
	context: CompileContext,
): CheckAction[] | undefined {
	const errorsBefore = context.diagnostics.errorCount;
	const actions: CheckAction[] = [];
	let comment: string | undefined;
	for (const [index, step] of steps.entries()) {
		if (step.kind === 'comment') {
			comment = step.comment;
			continue;
		}
		const action = compileStep(step, index + 1, comment, isHttp, context.at(step.place, 'check'));
		if (action !== undefined) actions.push(action);
		// A comment is about the step that follows; those of a step itself come first.
		if (step.kind !== 'variable') comment = undefined;
	}
	return context.diagnostics.errorCount > errorsBefore ? undefined : actions;
}

function compileStep(
	step: Exclude<CheckStepModel, { kind: 'comment' }>,
	number: number,
	comment: string | undefined,
	isHttp: boolean,
	context: CompileContext,
): CheckAction | undefined {
	switch (step.kind) {
		case 'variable': {
			const assign = compileVariableRule(step.line.words, context);
			return assign === undefined ? undefined : { kind: 'variable', run: assign };
		}
		case 'connect':
			return {
				kind: 'connect',
				isImplicit: false,
				number,
				label: typeof step.port === 'number' ? `connect port ${step.port}` : 'connect',
				comment: step.comment ?? comment,
				port: compilePort(step.port, context),
				host: step.address?.kind === 'ip' ? step.address.address : undefined,
				usesServerSettings: step.useDefaults,
				sendProxy: step.sendProxy,
				viaSocks4: step.viaSocks4,
				ssl: step.ssl,
				sni: step.sni,
				alpn: step.alpn,
				proto: step.proto,
				linger: step.linger,
			};
		case 'send': {
			const render = compileText(step.data, context);
			if (render === undefined) return undefined;
			const { isHex } = step;
			return {
				kind: 'send',
				number,
				label: 'send',
				comment: step.comment ?? comment,
				method: undefined,
				data: (view) => (isHex ? bytesOfHex(render(view)) : render(view)),
			};
		}
		case 'http-send':
			return compileHttpSend(step, number, comment, context);
		case 'expect':
			return compileExpect(step, number, step.comment ?? comment, isHttp, context);
	}
}

type Render = (view: StreamView) => string;

/** A text, or a log format that gives it. */
function compileText({ text, isFormat }: CheckText, context: CompileContext): Render | undefined {
	if (!isFormat) return () => text;
	const format = compileLogFormat(text, context, { isLog: false });
	return format === undefined ? undefined : (view) => format.render(view);
}

/** Undefined for what is no even number of hexadecimal digits. */
function bytesOfHex(text: string): string | undefined {
	return /^(?:[0-9a-fA-F]{2})*$/.test(text) ? Buffer.from(text, 'hex').toString('latin1') : undefined;
}

function compilePort(
	port: number | { readonly words: readonly string[] } | undefined,
	context: CompileContext,
): ((view: StreamView) => number) | undefined {
	if (port === undefined) return undefined;
	if (typeof port === 'number') return () => port;
	return compileInteger(port.words, context);
}

function compileInteger(words: readonly string[], context: CompileContext): ((view: StreamView) => number) | undefined {
	const expression = compileExpression(words, 0, context)?.expression;
	if (expression === undefined) return undefined;
	return (view) => {
		const value = expression.evaluate(view);
		const integer = value === undefined ? undefined : castTo('sint', value);
		return integer === undefined ? 0 : Number(integer);
	};
}

/** The state header stands before the connection header, as the reference sends them. */
const STATE_HEADER = 'x-haproxy-server-state';

function compileHttpSend(
	step: HttpSendStep,
	number: number,
	comment: string | undefined,
	context: CompileContext,
): SendAction | undefined {
	const uri = compileText(step.uri, context);
	const body = step.body === undefined ? undefined : compileText(step.body, context);
	const headers: (readonly [name: string, value: LogFormat])[] = [];
	for (const [name, text] of step.headers) {
		const format = compileLogFormat(text, context, { isLog: false });
		if (format !== undefined) headers.push([name.toLowerCase(), format]);
	}
	if (uri === undefined || (step.body !== undefined && body === undefined)) return undefined;
	const { method, version } = step;
	const request = (view: StreamView, state: string): CheckRequest => {
		const fields = headers.map(([name, format]) => [name, fieldValue(format.render(view))] as const);
		return {
			method,
			uri: oneWord(uri(view)),
			version,
			headers: state === '' ? fields : [...fields, [STATE_HEADER, state]],
			body: body?.(view),
		};
	};
	return {
		kind: 'send',
		number,
		label: 'send',
		comment: step.comment ?? comment,
		method,
		request,
		data: (view, state) => requestText(request(view, state)),
	};
}

/** As HTTP/1 writes it. */
function requestText({ method, uri, version, headers, body }: CheckRequest): string {
	let text = `${method} ${uri} ${version}\r\n`;
	for (const [name, value] of headers) text += `${name}: ${value}\r\n`;
	// An HTTP/1.0 server closes without being asked.
	if (version !== 'HTTP/1.0' && !headers.some(([name]) => name === 'connection')) text += 'connection: close\r\n';
	if (body !== undefined) text += `content-length: ${body.length}\r\n`;
	return `${text}\r\n${body ?? ''}`;
}

/** What a format gives cannot end the request line or a field: no byte below a space. */
const oneWord = (text: string): string => text.replace(/[\x00-\x20\x7f]/g, '') || '/';
const fieldValue = (text: string): string => text.replace(/[\x00-\x08\x0a-\x1f\x7f]/g, ' ');

// Expectations

interface Matched {
	readonly matched: boolean;
	/** More input cannot change it. */
	readonly isFinal: boolean;
}

type Matcher = (received: Received, view: StreamView) => Matched;

function compileExpect(
	step: ExpectStep,
	number: number,
	comment: string | undefined,
	isHttp: boolean,
	context: CompileContext,
): ExpectAction | undefined {
	const { match, negated, minRecv } = step;
	const matcher = compileMatch(match, isHttp, context);
	const onSuccess = compileInfo(step.onSuccess, context);
	const onError = compileInfo(step.onError, context);
	const statusCode = step.statusCode === undefined ? undefined : compileInteger(step.statusCode.words, context);
	if (matcher === undefined) return undefined;
	const okStatus = step.okStatus ?? CheckStatus.L7OK;
	const isAboutHead = ['status', 'rstatus', 'hdr', 'fhdr'].includes(match.kind);
	const errorStatus = step.errorStatus ?? (isAboutHead ? CheckStatus.L7STS : CheckStatus.L7RSP);
	const what = describeMatch(match);
	const suffix = comment === undefined ? '' : ` comment: ${comment}`;
	const failureText = (received: Received): string => {
		if (isAboutHead) return `${received.head?.reason ?? ''}${suffix}`;
		if (isHttp) {
			return `${negated ? 'HTTP check matched unwanted content' : 'HTTP content check did not match'}${suffix}`;
		}
		const verb = negated ? 'matched unwanted content' : 'did not match content';
		return `TCPCHK ${verb} ${what.inFailure} at step ${number}${suffix}`;
	};
	return {
		kind: 'expect',
		number,
		label: `expect ${what.inLabel}`,
		comment,
		timeoutStatus: step.timeoutStatus ?? CheckStatus.L7TOUT,
		emptyStatus: step.errorStatus ?? CheckStatus.L7RSP,
		isHttp,
		judge(received, view): StepJudgement {
			const data = isHttp ? received.body : received.text;
			if (!isAboutHead && !received.ended && data.length < minRecv) return 'wait';
			const { matched, isFinal } = matcher(received, view);
			if (!matched && !isFinal && !received.ended && minRecv === -1) return 'wait';
			const code = statusCode?.(view) ?? received.head?.status ?? 0;
			if (matched !== negated) {
				const isConditional = okStatus === CheckStatus.L7OKC && isHttp;
				const info = onSuccess?.(view) ?? (isConditional ? (received.head?.reason ?? '') : isHttp ? '' : '(tcp-check)');
				return { passed: true, status: okStatus, code, info };
			}
			const info = onError?.(view) ?? failureText(received);
			return { passed: false, status: errorStatus, code, info };
		},
	};
}

function compileInfo(text: string | undefined, context: CompileContext): Render | undefined {
	return text === undefined ? undefined : compileText({ text, isFormat: true }, context);
}

/** How a match is called where a step is named, and where it failed. */
function describeMatch(match: ExpectMatch): { readonly inLabel: string; readonly inFailure: string } {
	switch (match.kind) {
		case 'string':
			if (match.pattern.isFormat) return { inLabel: 'log-format string', inFailure: '(log-format string)' };
			return { inLabel: `string '${match.pattern.text}'`, inFailure: `'${match.pattern.text}'` };
		case 'binary':
			if (match.pattern.isFormat) return { inLabel: 'log-format binary', inFailure: '(log-format binary)' };
			return { inLabel: `binary '${match.pattern.text}'`, inFailure: '(binary)' };
		case 'rstring':
			return { inLabel: 'regex', inFailure: '(regex)' };
		case 'rbinary':
			return { inLabel: 'binary regex', inFailure: '(binary regex)' };
		default:
			return { inLabel: match.kind, inFailure: match.kind };
	}
}

function regexOf(source: string, context: CompileContext): Regex | undefined {
	const regex = compileRegex(source);
	if (typeof regex !== 'string') return regex;
	context.diagnostics.alert(context.place, `regex '${source}' is invalid (${regex}).`);
	return undefined;
}

function compileMatch(match: ExpectMatch, isHttp: boolean, context: CompileContext): Matcher | undefined {
	const dataOf = isHttp ? (received: Received) => received.body : (received: Received) => received.text;
	switch (match.kind) {
		case 'status': {
			const { ranges } = match;
			return ({ head }) => {
				const status = head?.status ?? 0;
				return { matched: ranges.some(([low, high]) => status >= low && status <= high), isFinal: true };
			};
		}
		case 'rstatus': {
			const regex = regexOf(match.regex, context);
			if (regex === undefined) return undefined;
			return ({ head }) => ({ matched: regex.test(String(head?.status ?? '')), isFinal: true });
		}
		case 'hdr':
		case 'fhdr':
			return compileHeaderMatch(match, context);
		case 'string':
		case 'binary': {
			const render = compileText(match.pattern, context);
			if (render === undefined) return undefined;
			const { isHex } = match;
			return (received, view) => {
				const pattern = isHex ? bytesOfHex(render(view)) : render(view);
				const data = dataOf(received);
				return { matched: pattern !== undefined && data.includes(pattern), isFinal: false };
			};
		}
		case 'rstring': {
			const regex = regexOf(match.regex, context);
			if (regex === undefined) return undefined;
			return (received) => ({ matched: regex.test(dataOf(received)), isFinal: false });
		}
		case 'rbinary': {
			const regex = regexOf(match.regex, context);
			if (regex === undefined) return undefined;
			return (received) => ({
				matched: regex.test(Buffer.from(dataOf(received), 'latin1').toString('hex').toUpperCase()),
				isFinal: false,
			});
		}
	}
}

type TextMatch = (text: string, view: StreamView) => boolean;

function compileHeaderMatch(
	match: Extract<ExpectMatch, { kind: 'hdr' | 'fhdr' }>,
	context: CompileContext,
): Matcher | undefined {
	const name = compileTextMatch(match.name, true, context);
	const value = match.value === undefined ? undefined : compileTextMatch(match.value, false, context);
	if (name === undefined || (match.value !== undefined && value === undefined)) return undefined;
	const splits = match.kind === 'hdr';
	return ({ head }, view) => {
		const matched = head !== undefined && hasHeader(head.headers, name, value, splits, view);
		return { matched, isFinal: true };
	};
}

function hasHeader(
	headers: HeaderList,
	name: TextMatch,
	value: TextMatch | undefined,
	splits: boolean,
	view: StreamView,
): boolean {
	for (const [at, field] of headers.names.entries()) {
		if (!name(field.toLowerCase(), view)) continue;
		if (value === undefined) return true;
		const whole = headers.values[at] ?? '';
		const values = splits ? whole.split(',').map((part) => part.trim()) : [whole];
		if (values.some((one) => value(one, view))) return true;
	}
	return false;
}

function compileTextMatch(
	{ method, pattern }: { readonly method: string; readonly pattern: CheckText },
	lowerCase: boolean,
	context: CompileContext,
): TextMatch | undefined {
	if (method === 'reg') {
		const regex = compileRegex(pattern.text, { ignoreCase: lowerCase });
		if (typeof regex !== 'string') return (text) => regex.test(text);
		context.diagnostics.alert(context.place, `regex '${pattern.text}' is invalid (${regex}).`);
		return undefined;
	}
	const render = compileText(pattern, context);
	if (render === undefined) return undefined;
	const wanted: Render = lowerCase ? (view) => render(view).toLowerCase() : render;
	switch (method) {
		case 'beg':
			return (text, view) => text.startsWith(wanted(view));
		case 'end':
			return (text, view) => text.endsWith(wanted(view));
		case 'sub':
			return (text, view) => text.includes(wanted(view));
		default:
			return (text, view) => text === wanted(view);
	}
}

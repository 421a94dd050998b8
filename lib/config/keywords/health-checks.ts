import type { ProxyDraft } from '../draft.js';
import type { CheckStepModel, ConnectStep, HealthCheckModel, HttpSendStep } from '../health-model.js';
import { type Keyword, refused, type Statement } from '../statement.js';
import { readHttpStep, readTcpStep } from './check-steps.js';
import type { ProxySite } from './proxy-site.js';

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
	viaSocks4: false,
	ssl: false,
	sni: undefined,
	alpn: [],
	proto: undefined,
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

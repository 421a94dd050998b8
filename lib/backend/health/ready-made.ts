/**
 * The checks that only need to be named: `option redis-check` and its kin (manual, 4.2). Each is a short
 * conversation; what it sends and how it reads the answers was taken from the protocols' own documents and
 * compared on the wire with what the reference sends.
 */
import type { ReadyMadeCheck } from '../../config/health-model.js';
import { CheckStatus } from './check-status.js';
import type { CheckAction, CompiledCheck, ConnectAction, ExpectAction, Received, StepJudgement } from './steps.js';

const connect = (number: number): ConnectAction => ({
	kind: 'connect',
	isImplicit: number === 0,
	number,
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
	linger: true,
});

const send = (number: number, data: string | (() => string)): CheckAction => ({
	kind: 'send',
	number,
	label: 'send',
	comment: undefined,
	data: typeof data === 'string' ? () => data : data,
	method: undefined,
});

const expect = (
	number: number,
	judge: (received: Received) => StepJudgement,
	statuses: { timeout?: CheckStatus; empty?: CheckStatus } = {},
): ExpectAction => ({
	kind: 'expect',
	number,
	label: 'expect',
	comment: undefined,
	judge,
	timeoutStatus: statuses.timeout ?? CheckStatus.L7TOUT,
	emptyStatus: statuses.empty ?? CheckStatus.L7RSP,
	isHttp: false,
});

const passed = (info: string, code = 0, status: CheckStatus = CheckStatus.L7OK): StepJudgement => ({
	passed: true,
	status,
	code,
	info,
});
const failed = (status: CheckStatus, info: string, code = 0): StepJudgement => ({ passed: false, status, code, info });

/** The first line that is whole; what there is, when no more will come. */
function firstLine(received: Received): string | undefined {
	const end = received.text.search(/[\r\n]/);
	if (end >= 0) return received.text.slice(0, end);
	return received.ended ? received.text : undefined;
}

// Redis: PING, +PONG (https://redis.io/docs/reference/protocol-spec)

const PONG = '+PONG\r\n';

function judgeRedis(received: Received): StepJudgement {
	if (received.text.startsWith(PONG)) return passed('Redis server is ok');
	if (PONG.startsWith(received.text) && !received.ended) return 'wait';
	const line = firstLine(received);
	return line === undefined ? 'wait' : failed(CheckStatus.L7STS, line);
}

// SMTP: banner, HELO, QUIT (RFC 5321, 4.2: the last line of a reply has a space after its code)

function judgeSmtp(received: Received): StepJudgement {
	for (let at = 0; ; ) {
		const end = received.text.indexOf('\n', at);
		if (end < 0 && !received.ended) return 'wait';
		const line = received.text.slice(at, end < 0 ? undefined : end).replace(/\r$/, '');
		if (!/^\d{3}/.test(line)) return failed(CheckStatus.L7RSP, line);
		const code = Number(line.slice(0, 3));
		if (line[3] === '-' && end >= 0) {
			at = end + 1;
			continue;
		}
		if (!line.startsWith('2')) return failed(CheckStatus.L7STS, line.slice(4), code);
		return passed(line.slice(4), code);
	}
}

// PostgreSQL: the startup message of protocol 3.0, answered by a request for a password or none

const PGSQL_AUTHENTICATION = 'R';
const PGSQL_ERROR = 'E';

function pgsqlStartup(user: string): string {
	const parameters = `\0\x03\0\0user\0${user}\0\0`;
	return uint32(parameters.length + 4) + parameters;
}

/** Any way to authenticate shows a server that is alive, also those made after the reference's list. */
function judgePgsql(received: Received): StepJudgement {
	const { text, ended } = received;
	if (text.startsWith(PGSQL_ERROR)) {
		if (text.indexOf('\0', 6) < 0 && !ended) return 'wait';
		// Fields: a type byte and a text, each ended by a zero; the first is the severity.
		return failed(CheckStatus.L7RSP, text.slice(6).split('\0', 1)[0] ?? '');
	}
	if (text.length < 9 && !ended && PGSQL_AUTHENTICATION.startsWith(text.slice(0, 1))) return 'wait';
	const isAuthentication = /^R\0\0[\0\x01].\0\0\0[\0-\x0c]/s.test(text);
	if (!isAuthentication) return failed(CheckStatus.L7STS, 'PostgreSQL unknown error');
	return passed('PostgreSQL server is ok');
}

const uint32 = (value: number): string =>
	String.fromCharCode((value >>> 24) & 255, (value >>> 16) & 255, (value >>> 8) & 255, value & 255);

// LDAPv3: an anonymous bind (RFC 4511, 4.2), answered by a bind response with result code 0

const LDAP_BIND = '0\x0c\x02\x01\x01`\x07\x02\x01\x03\x04\0\x80\0';
const LDAP_RESULTS = 'See RFC: http://tools.ietf.org/html/rfc4511#section-4.1.9';

function judgeLdap({ text, ended }: Received): StepJudgement {
	if (text.length > 0 && text[0] !== '0') return failed(CheckStatus.L7RSP, 'Not LDAPv3 protocol');
	if (text.length < 14 && !ended) return 'wait';
	// The length of the sequence has one byte, or says in how many it is written.
	const first = text.charCodeAt(1);
	const at = 2 + (first > 127 ? first & 127 : 0);
	if (text.length < at + 5 && !ended) return 'wait';
	if (text.slice(at, at + 4) !== '\x02\x01\x01a') return failed(CheckStatus.L7RSP, 'Not LDAPv3 protocol');
	const length = text.charCodeAt(at + 4);
	const codeAt = at + 5 + (length > 127 ? length & 127 : 0) + 2;
	if (text.length <= codeAt && !ended) return 'wait';
	const code = text.charCodeAt(codeAt);
	return code === 0 ? passed('Success') : failed(CheckStatus.L7STS, LDAP_RESULTS, Number.isNaN(code) ? 0 : code);
}

// SSLv3 hello: any handshake record or alert is a server that speaks TLS

function sslHello(): string {
	const suites = [
		...Array.from({ length: 0x1b }, (_, index) => index + 1),
		...Array.from({ length: 0x0c }, (_, index) => index + 0x2f),
	].map((suite) => `\0${String.fromCharCode(suite)}`);
	const random = `${uint32(Math.floor(Date.now() / 1000))}HOLDFASTSSLCHKHOLDFASTSSLCHK`;
	const list = suites.join('');
	const body = `\x03\0${random}\0${uint16(list.length)}${list}\x01\0`;
	const handshake = `\x01${uint32(body.length).slice(1)}${body}`;
	return `\x16\x03\0${uint16(handshake.length)}${handshake}`;
}

const uint16 = (value: number): string => String.fromCharCode((value >>> 8) & 255, value & 255);

function judgeSslHello({ text, ended }: Received): StepJudgement {
	if (text.length < 5 && !ended) return 'wait';
	if (text[0] === '\x16' || text[0] === '\x15') return passed('', 0, CheckStatus.L6OK);
	return failed(CheckStatus.L6RSP, '');
}

// MySQL: the greeting, then a login that is answered by OK (Client/Server protocol, connection phase)

const MYSQL_QUIT = '\x01\0\0\0\x01';
const MYSQL_ERROR = 0xff;

/** A packet is three bytes of length, little endian, a sequence number, and that many bytes. */
function mysqlPacket(payload: string, sequence: number): string {
	const { length } = payload;
	return String.fromCharCode(length & 255, (length >> 8) & 255, length >> 16, sequence) + payload;
}

function mysqlLogin(user: string, post41: boolean): string {
	// Capabilities: with 4.1, PROTOCOL_41 and SECURE_CONNECTION; largest packet; character set; no password.
	const payload = post41 ? `\0\x82\0\0\0\x80\0\x01\x21${'\0'.repeat(23)}${user}\0\0` : `\0\x80\0\0\x01${user}\0\0`;
	return mysqlPacket(payload, 1) + MYSQL_QUIT;
}

function judgeMysql(withLogin: boolean): (received: Received) => StepJudgement {
	return ({ text, ended }) => {
		const greeting = mysqlPayload(text, 0);
		if (greeting === undefined) return ended ? failed(CheckStatus.L7RSP, '') : 'wait';
		const refusal = mysqlError(greeting);
		if (refusal !== undefined) return refusal;
		const version = greeting.slice(1).split('\0', 1)[0] ?? '';
		if (!withLogin) return passed(version);
		const answer = mysqlPayload(text, greeting.length + 4);
		if (answer === undefined) return ended ? failed(CheckStatus.L7RSP, '') : 'wait';
		return mysqlError(answer) ?? passed(version);
	};
}

function mysqlPayload(text: string, at: number): string | undefined {
	if (text.length < at + 4) return undefined;
	const length = text.charCodeAt(at) | (text.charCodeAt(at + 1) << 8) | (text.charCodeAt(at + 2) << 16);
	return text.length < at + 4 + length ? undefined : text.slice(at + 4, at + 4 + length);
}

function mysqlError(payload: string): StepJudgement | undefined {
	if (payload.charCodeAt(0) !== MYSQL_ERROR) return undefined;
	const code = payload.charCodeAt(1) | (payload.charCodeAt(2) << 8);
	// Since 4.1 a `#` and five characters of SQL state come before the message.
	const message = payload.slice(3).replace(/^#.{5}/s, '');
	return failed(CheckStatus.L7STS, message, Number.isNaN(code) ? 0 : code);
}

function actionsOf(check: ReadyMadeCheck): readonly CheckAction[] {
	switch (check.kind) {
		case 'redis':
			return [connect(0), send(1, '*1\r\n$4\r\nPING\r\n'), expect(2, judgeRedis, { empty: CheckStatus.L7STS })];
		case 'smtp':
			return [
				connect(1),
				expect(2, judgeSmtp),
				send(3, `${check.command}\r\n`),
				expect(4, judgeSmtp),
				send(5, 'QUIT\r\n'),
				expect(6, judgeSmtp),
			];
		case 'pgsql':
			return [connect(1), send(2, pgsqlStartup(check.user)), expect(3, judgePgsql)];
		case 'ldap':
			return [connect(0), send(1, LDAP_BIND), expect(2, judgeLdap)];
		case 'ssl-hello':
			return [
				connect(0),
				send(1, sslHello),
				expect(2, judgeSslHello, { timeout: CheckStatus.L6TOUT, empty: CheckStatus.L6RSP }),
			];
		case 'mysql':
			return check.user === undefined
				? [connect(0), expect(1, judgeMysql(false))]
				: [connect(0), send(1, mysqlLogin(check.user, check.post41)), expect(3, judgeMysql(true))];
	}
}

export function readyMadeCheck(check: ReadyMadeCheck): CompiledCheck {
	return { actions: actionsOf(check), namesSteps: false, disableOn404: false, sendState: false };
}

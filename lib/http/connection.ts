/**
 * Fields that belong to one connection and not to the message (RFC 9110, section 7.6.1), and upgrades.
 *
 * They are taken out of a head when it is received, before any rule sees it: a client that writes
 * `Connection: x-forwarded-for` must not be able to remove what a rule adds later. `close` and
 * `keep-alive` become bits of the head, as rules of HAProxy do not see them either. HAProxy 2.6 passes
 * other nominated fields on with their Connection field; we remove both, as the RFC asks.
 */
import { createHash } from 'node:crypto';
import { ConnectionOption, type HeaderList, type RequestHead, type ResponseHead } from './message.js';
import { HttpRefusal } from './refusal.js';

/** Some other option is named too: keeps a list of several tokens from looking like `upgrade` alone. */
const OTHER_OPTION = 8;

/**
 * Fields that a Connection field cannot make hop-by-hop: they frame or route the message, or a trusted
 * proxy before us put them there and a server decides by them.
 */
const NEVER_NOMINATED: ReadonlySet<string> = new Set([
	'host',
	'content-length',
	'content-type',
	'content-encoding',
	'transfer-encoding',
	'trailer',
	'expect',
	'cache-control',
	'authorization',
	'proxy-authorization',
	'cookie',
	'set-cookie',
	'date',
	'via',
	'forwarded',
	'x-forwarded-for',
	'x-forwarded-host',
	'x-forwarded-port',
	'x-forwarded-proto',
	'x-real-ip',
	'upgrade',
	'te',
]);

/** `ConnectionOption` bits of one Connection value; exactly UPGRADE only if that is its one token. */
export function connectionBitsOf(value: string): number {
	switch (value) {
		case 'keep-alive':
		case 'Keep-Alive':
			return ConnectionOption.KEEP_ALIVE;
		case 'close':
		case 'Close':
			return ConnectionOption.CLOSE;
		case 'Upgrade':
		case 'upgrade':
			return ConnectionOption.UPGRADE;
	}
	let bits = 0;
	for (const part of value.split(',')) {
		const token = trimBlanks(part).toLowerCase();
		if (token === 'close') bits |= ConnectionOption.CLOSE;
		else if (token === 'keep-alive') bits |= ConnectionOption.KEEP_ALIVE;
		else if (token === 'upgrade') bits |= ConnectionOption.UPGRADE;
		else bits |= OTHER_OPTION;
	}
	return bits;
}

/** The passes over a head that nominates fields or has TE; what else the parser drops by itself. */
export function removeHopByHop(headers: HeaderList): void {
	removeNominatedFields(headers);
	reduceTe(headers);
}

/** Connection keeps `upgrade` and `te`, which are still forwarded; each other named field goes. */
function removeNominatedFields(headers: HeaderList): void {
	let kept = '';
	const first = headers.indexOf('connection');
	if (first < 0) return;
	const nominated: string[] = [];
	for (let index = first; index >= 0; index = headers.indexOf('connection', index + 1)) {
		for (const part of headers.values[index]!.split(',')) {
			const token = trimBlanks(part);
			const name = token.toLowerCase();
			if (name === 'upgrade' || name === 'te') kept = kept === '' ? token : `${kept}, ${token}`;
			else if (name !== '' && name !== 'connection' && !NEVER_NOMINATED.has(name)) nominated.push(name);
		}
	}
	headers.remove('connection');
	for (const name of nominated) headers.remove(name);
	if (kept !== '') headers.insertAt(Math.min(first, headers.length), 'connection', kept);
}

/** Of TE only `trailers` can be promised to the server, whatever it says beside (gRPC needs it). */
function reduceTe(headers: HeaderList): void {
	let trailers = false;
	const first = headers.indexOf('te');
	if (first < 0) return;
	for (let index = first; index >= 0; index = headers.indexOf('te', index + 1)) {
		trailers ||= headers.values[index]!.split(',').some((part) => trimBlanks(part).toLowerCase() === 'trailers');
	}
	headers.remove('te');
	if (trailers) headers.insertAt(Math.min(first, headers.length), 'te', 'trailers');
	else dropConnectionToken(headers, 'te');
}

function dropConnectionToken(headers: HeaderList, name: string): void {
	const index = headers.indexOf('connection');
	if (index < 0) return;
	const kept = headers.values[index]!.split(',').filter((part) => trimBlanks(part).toLowerCase() !== name);
	if (kept.length === 0) headers.removeAt(index);
	else headers.replaceAt(index, kept.map(trimBlanks).join(', '));
}

/**
 * An upgrade is forwarded only if the server can answer it with a tunnel that we would relay: asked for by
 * HTTP/1.1 with both fields, without a body (as HAProxy), and not to h2c, whose frames nobody would check
 * against the rules. Otherwise the request goes on without it, as RFC 9110, section 7.8, allows.
 */
export function settleUpgrade(request: RequestHead): void {
	const headers = request.headers;
	const index = headers.indexOf('upgrade');
	if (index >= 0 && (request.connection & ConnectionOption.UPGRADE) !== 0 && request.version === 11) {
		const hasBody =
			request.framing.kind === 'chunked' || (request.framing.kind === 'length' && request.framing.length > 0);
		const protocols = headers.values[index]!.split(',').map(trimBlanks);
		const kept = protocols.filter((protocol) => protocol !== '' && !/^h2c?(\/|$)/i.test(protocol));
		if (!hasBody && kept.length > 0 && headers.indexOf('upgrade', index + 1) < 0) {
			if (kept.length < protocols.length) headers.replaceAt(index, kept.join(', '));
			headers.remove('http2-settings');
			return;
		}
	}
	request.connection &= ~ConnectionOption.UPGRADE;
	headers.remove('upgrade');
	headers.remove('http2-settings');
	dropConnectionToken(headers, 'upgrade');
}

/** True if the server may answer this request with 101. */
export function asksForUpgrade(request: RequestHead): boolean {
	return (request.connection & ConnectionOption.UPGRADE) !== 0;
}

/**
 * Whether a 101 answers what was asked (RFC 9110, section 15.2.2); for WebSocket also whether the server
 * has understood the handshake (RFC 6455, section 4.2.2): a server that merely says 101 to anything would
 * turn the connection into a way around every rule.
 */
export function checkSwitchingProtocols(request: RequestHead, response: ResponseHead): HttpRefusal | undefined {
	if (!asksForUpgrade(request)) return new HttpRefusal('UPGRADE_UNASKED', 0);
	const asked = request.headers.get('upgrade') ?? '';
	if (asked.toLowerCase() !== 'websocket') return undefined;
	const key = request.headers.get('sec-websocket-key');
	const accept = response.headers.get('sec-websocket-accept');
	if (key === undefined || accept !== websocketAccept(key)) return new HttpRefusal('UPGRADE_INVALID', 0);
	return undefined;
}

/** `Sec-WebSocket-Accept` for a key (RFC 6455, section 4.2.2, with the identifier of section 1.3). */
export function websocketAccept(key: string): string {
	return createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`, 'latin1').digest('base64');
}

/** Whether the client may send another request on its connection after this one, before any option. */
export function clientKeepsAlive(request: RequestHead): boolean {
	if ((request.connection & ConnectionOption.CLOSE) !== 0) return false;
	return request.version !== 10 || (request.connection & ConnectionOption.KEEP_ALIVE) !== 0;
}

/** Whether the server takes another request on this connection when its response has ended. */
export function serverKeepsAlive(response: ResponseHead): boolean {
	if (response.framing.kind === 'close' || (response.connection & ConnectionOption.CLOSE) !== 0) return false;
	if (response.version !== 10) return true;
	// RFC 9112, section 6.1: chunked from HTTP/1.0 is taken as it comes, and the connection closed after it.
	return (response.connection & ConnectionOption.KEEP_ALIVE) !== 0 && response.framing.kind !== 'chunked';
}

function trimBlanks(text: string): string {
	let start = 0;
	let end = text.length;
	while (start < end && (text.charCodeAt(start) === 32 || text.charCodeAt(start) === 9)) start++;
	while (end > start && (text.charCodeAt(end - 1) === 32 || text.charCodeAt(end - 1) === 9)) end--;
	return start === 0 && end === text.length ? text : text.slice(start, end);
}

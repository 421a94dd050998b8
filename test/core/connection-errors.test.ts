/** Numbers and sentences of connections that were not set up, and what Node's errors are in OpenSSL's words. */
import t from 'tap';
import {
	CERTIFICATE_VERIFY_FAILED,
	connectionErrorId,
	connectionErrorSentence,
	openSslErrorOf,
	openSslErrorText,
	serverFailure,
} from '../../lib/core/connection-errors.js';

const failed = (message: string, fields: object = {}): Error => Object.assign(new Error(message), fields);

t.test('the table of the manual', async (t) => {
	t.equal(connectionErrorSentence(0), 'Success');
	t.equal(connectionErrorSentence(11), 'Connection closed while waiting for PROXY protocol header');
	t.equal(connectionErrorSentence(24), 'Connection closed during SSL handshake');
	t.equal(connectionErrorSentence(43), 'SSL fatal error');
	t.equal(connectionErrorId('SOCKS4 Proxy deny the request'), 41);
	t.equal(connectionErrorId('something else'), 6);
});

t.test("OpenSSL's error within Node's", async (t) => {
	const said = openSslErrorOf(
		failed('00E8:error:0A00009C:SSL routines:ssl3_get_record:http request:../deps/ssl/record.c:348:\n'),
	);
	t.strictSame(said, { code: 0x0a00009c, reason: 'http request' });
	t.equal(said === undefined ? '' : openSslErrorText(said), 'error:0A00009C:SSL routines::http request');
	t.equal(openSslErrorOf(failed('socket hang up')), undefined);
	t.equal(openSslErrorOf(undefined), undefined);
});

t.test('connections to servers', async (t) => {
	const wrongName = failed('x', { code: 'ERR_TLS_CERT_ALTNAME_INVALID' });
	t.strictSame(serverFailure(wrongName, true, true), { id: 32, tls: CERTIFICATE_VERIFY_FAILED });
	t.strictSame(serverFailure(wrongName, true, false), { id: 33, tls: CERTIFICATE_VERIFY_FAILED });
	t.match(serverFailure(failed('self-signed', { code: 'DEPTH_ZERO_SELF_SIGNED_CERT' }), true, false), { id: 34 });
	t.strictSame(serverFailure(failed('hang up', { code: 'ECONNRESET' }), true, false), { id: 24, tls: 'none' });
	const refused = failed('connect', { code: 'ECONNREFUSED', syscall: 'connect' });
	t.equal(serverFailure(refused, true, false), undefined, 'it never stood');
	t.equal(serverFailure(failed('x'), false, false), undefined);
	t.strictSame(serverFailure(failed('socks', { connectionErrorId: 41 }), false, false), { id: 41, tls: undefined });
});

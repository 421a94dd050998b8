/**
 * Fetches from TLS connections and certificates, the client's and the server's, beside HAProxy's: the same conf file, the
 * same connections, the same values. What differs from one connection to the next (session ids, `tls-unique`) is compared
 * by its length.
 */

import { readFileSync } from 'node:fs';
import https from 'node:https';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { skipUnlessHaproxy } from '../fixtures/interop.js';
import { type Program, startProgram } from '../fixtures/program.js';

t.setTimeout(90_000);

const FOLDER = fileURLToPath(new URL('../fixtures/tls', import.meta.url));
const pem = (name: string): Buffer => readFileSync(`${FOLDER}/${name}`);

const CERTIFICATE = [
	's_dn',
	's_dn(cn)',
	's_dn(CN,-1)',
	's_dn(nope)',
	's_dn(,0,rfc2253)',
	'i_dn',
	'i_dn(O)',
	'serial,hex',
	'sha1,hex',
	'der,sha1,hex',
	'notbefore',
	'notafter',
	'version',
	'sig_alg',
	'key_alg',
];
const CONNECTION = [
	'alg_keysize',
	'use_keysize',
	'alpn',
	'cipher',
	'protocol',
	'is_resumed',
	'unique_id,hex,length',
	'session_key,hex,length',
];
const CLIENT_SIDE: readonly string[] = [
	'ssl_fc',
	'ssl_fc_has_crt',
	'ssl_fc_has_sni',
	'ssl_fc_has_early',
	'ssl_fc_sni',
	'ssl_fc_err',
	'ssl_c_used',
	'ssl_c_verify',
	'ssl_c_chain_der,hex,length',
	...CONNECTION.map((name) => `ssl_fc_${name}`),
	...CERTIFICATE.map((name) => `ssl_c_${name}`),
	...CERTIFICATE.map((name) => `ssl_f_${name}`),
];
const SERVER_SIDE: readonly string[] = [
	'ssl_bc',
	'ssl_s_chain_der,hex,length',
	...CONNECTION.filter((name) => name !== 'session_key,hex,length').map((name) => `ssl_bc_${name}`),
	...CERTIFICATE.map((name) => `ssl_s_${name}`),
];

const shown = (names: readonly string[]): string =>
	names.map((name) => `${name.replace(/[^\w]/g, '.')}=%[${name}]`).join('|');

const CONFIG = `
global
    ssl-default-bind-options ssl-min-ver TLSv1.2
    ssl-default-bind-ciphers ECDHE-ECDSA-AES128-GCM-SHA256
defaults
    mode http
    timeout connect 5s
    timeout server 5s
    timeout client 5s
frontend f
    bind 127.0.0.1:\${port1} ssl crt ${FOLDER}/a.pem crt ${FOLDER}/b.pem ca-file ${FOLDER}/client.pem verify optional alpn http/1.1
    bind 127.0.0.1:\${port2}
    http-request return status 200 content-type text/plain lf-string "${shown(CLIENT_SIDE)}" unless { path /server }
    default_backend b
backend b
    http-response set-header x-server "${shown(SERVER_SIDE)}"
    server s 127.0.0.1:\${port3} ssl verify required ca-file ${FOLDER}/a.pem sni str(a.example) alpn http/1.1
frontend origin
    bind 127.0.0.1:\${port3} ssl crt ${FOLDER}/a.pem alpn http/1.1
    http-request return status 200
`;

interface Options extends https.RequestOptions {
	readonly ALPNProtocols?: string[];
	readonly withCertificate?: boolean;
}

function ask(program: Program, { withCertificate, ...options }: Options): Promise<string> {
	return new Promise((resolve, reject) => {
		const identity = withCertificate === true ? { cert: pem('client.pem'), key: pem('client.pem') } : {};
		const sent = https.request(
			{ host: '127.0.0.1', port: program.port(1), rejectUnauthorized: false, agent: false, ...identity, ...options },
			(response) => {
				let body = '';
				response.on('data', (chunk) => {
					body += String(chunk);
				});
				response.on('end', () => resolve(String(response.headers['x-server'] ?? body)));
			},
		);
		sent.on('error', reject);
		sent.end();
	});
}

const CONNECTIONS: readonly (readonly [title: string, options: Options])[] = [
	['TLS 1.3, no certificate', { servername: 'a.example' }],
	['TLS 1.3, a certificate', { servername: 'b.example', withCertificate: true, ALPNProtocols: ['http/1.1'] }],
	['TLS 1.2, a certificate', { servername: 'a.example', withCertificate: true, maxVersion: 'TLSv1.2' }],
	['TLS 1.2, no name', { maxVersion: 'TLSv1.2' }],
	['to the server', { path: '/server' }],
];

t.test('values are those of HAProxy', { skip: skipUnlessHaproxy('2.6') }, async (t) => {
	const [ours, theirs] = await Promise.all(
		(['holdfast', 'haproxy'] as const).map((program) => startProgram(t, { config: CONFIG, ports: 3, program })),
	);
	if (ours === undefined || theirs === undefined) throw new Error('not started');
	for (const [title, options] of CONNECTIONS) {
		const [our, their] = await Promise.all([ask(ours, options), ask(theirs, options)]);
		t.same(our.split('|'), their.split('|'), title);
	}
});

/** A client's chain gone through once more: each error with its place, and what is not understood is nobody's to ignore. */
import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type tls from 'node:tls';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { CertificateJudge, CertificateRefusal, chainErrors } from '../../lib/frontend/client-certificate.js';

const text = (name: string): string =>
	readFileSync(fileURLToPath(new URL(`../fixtures/tls/clients/${name}.pem`, import.meta.url)), 'latin1');
const certificate = (name: string): X509Certificate => new X509Certificate(text(name));
const ROOT = [certificate('root')];
const NOW_MS = Date.parse('2030-01-01');

const errors = (name: string, nowMs = NOW_MS): string[] =>
	chainErrors(certificate(name), ROOT, nowMs).map(({ code, depth }) => `${code} at ${depth}`);

t.test('errors and their places', async (t) => {
	t.strictSame(errors('good'), []);
	t.strictSame(errors('stranger'), ['20 at 0', '21 at 0'], 'no issuer, and so no verified signature');
	t.strictSame(errors('self'), ['18 at 0']);
	t.strictSame(errors('lonely'), ['20 at 0', '21 at 0']);
	t.strictSame(errors('expired'), ['10 at 0']);
	t.strictSame(errors('good', Date.parse('2020-01-01')), ['9 at 1', '9 at 0'], 'both are still to come');
	t.strictSame(errors('good', Date.parse('2150-01-01')), ['10 at 1', '10 at 0'], 'both are over');
});

/** What Node tells of a socket whose handshake is over. */
const socket = (name: string | undefined, error?: string): tls.TLSSocket =>
	({
		authorized: error === undefined,
		authorizationError: error,
		getPeerX509Certificate: () => (name === undefined ? undefined : certificate(name)),
		isSessionReused: () => false,
	}) as unknown as tls.TLSSocket;

const refusal = (code: number, reason: string, depth = 0): CertificateRefusal =>
	new CertificateRefusal(code, depth, reason);

const judge = (options: Partial<ConstructorParameters<typeof CertificateJudge>[0]>): CertificateJudge =>
	new CertificateJudge({ verify: 'required', ca: text('root'), crl: undefined, ...options });

t.test('verdicts', async (t) => {
	t.equal(judge({ verify: 'none' }).judge(socket(undefined)), undefined);
	t.equal(judge({}).judge(socket('good'), NOW_MS), undefined);
	t.match(judge({}).judge(socket(undefined), NOW_MS), { code: undefined, reason: /shown none/ });
	t.equal(judge({ verify: 'optional' }).judge(socket(undefined), NOW_MS), undefined);
	t.strictSame(judge({}).judge(socket('expired', 'CERT_HAS_EXPIRED'), NOW_MS), refusal(10, 'CERT_HAS_EXPIRED'));
	t.strictSame(
		judge({}).judge(socket('good', 'CERT_HAS_EXPIRED'), Date.parse('2150-01-01')),
		refusal(10, 'CERT_HAS_EXPIRED', 1),
		'its authority first',
	);
	t.strictSame(
		judge({}).judge(socket('good', 'SOMETHING_NEW'), NOW_MS),
		refusal(1, 'SOMETHING_NEW'),
		'an error unheard of',
	);
	t.strictSame(judge({ crtIgnoredErrors: [10] }).judge(socket('expired', 'CERT_HAS_EXPIRED'), NOW_MS), {
		result: 10,
		error: 10,
		caError: 0,
		caErrorDepth: 0,
	});
});

t.test('what hides behind an error that may be ignored', async (t) => {
	const expired = [10];
	// OpenSSL has told that it has expired, the last of what it found: that a stranger has signed it came before.
	const later = Date.parse('2150-01-01');
	t.strictSame(
		judge({ crtIgnoredErrors: expired }).judge(socket('stranger', 'CERT_HAS_EXPIRED'), later),
		refusal(20, 'CERT_HAS_EXPIRED'),
	);
	t.strictSame(
		judge({ crtIgnoredErrors: expired }).judge(socket('self', 'CERT_HAS_EXPIRED'), later),
		refusal(18, 'CERT_HAS_EXPIRED'),
	);
	t.strictSame(
		judge({ crtIgnoredErrors: expired }).judge(socket('good', 'CERT_HAS_EXPIRED'), later),
		refusal(10, 'CERT_HAS_EXPIRED', 1),
		'its authority has expired too, which is not to be ignored',
	);
	t.match(
		judge({ crtIgnoredErrors: expired, caIgnoredErrors: expired }).judge(socket('good', 'CERT_HAS_EXPIRED'), later),
		{
			error: 10,
			caError: 10,
			caErrorDepth: 1,
		},
	);
});

t.test('what is not understood', async (t) => {
	const some = judge({ crtIgnoredErrors: [10, 23], caIgnoredErrors: [10, 23] });
	t.match(
		some.judge(socket('good', 'CERT_REVOKED'), NOW_MS),
		{ reason: 'CERT_REVOKED' },
		'an error that is not found here',
	);
	const revocations = judge({ crtIgnoredErrors: [10], crl: 'a list' });
	t.match(
		revocations.judge(socket('expired', 'CERT_HAS_EXPIRED'), NOW_MS),
		{ reason: 'CERT_HAS_EXPIRED' },
		'it may be revoked as well',
	);
	const all = judge({ crtIgnoredErrors: 'all', caIgnoredErrors: 'all' });
	t.match(all.judge(socket('good', 'SOMETHING_NEW'), NOW_MS), { result: 1 }, 'all is all');
});

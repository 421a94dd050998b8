/**
 * Where the files of certificates are found: `crt-store` sections, companions beside them, chains, directories of
 * authorities. The files are those of test/fixtures/tls, laid out anew for each case.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import type { BindTlsModel } from '../../lib/config/model.js';
import { load } from './load.js';

const fixture = (name: string): string =>
	readFileSync(fileURLToPath(new URL(`../fixtures/tls/${name}`, import.meta.url)), 'latin1');
const CERTIFICATE = /-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g;
const KEY = /-----BEGIN PRIVATE KEY-----[\s\S]+?-----END PRIVATE KEY-----\n/;
const certificates = (text: string): string[] => [...(text.match(CERTIFICATE) ?? [])];
const key = (text: string): string => KEY.exec(text)?.[0] ?? '';

const SITE = fixture('a.pem');
const CHAIN = fixture('clients/chain.pem');
const [LEAF = '', INTERMEDIATE = ''] = certificates(CHAIN);
const [ROOT = ''] = certificates(fixture('clients/root.pem'));
/** A file of several. */
const joined = (...parts: readonly string[]): string => parts.join('\n');

interface Found {
	readonly tls: BindTlsModel | undefined;
	readonly remarks: readonly string[];
}

/** A `bind` line in front of which stands `global` and `stores`, with files in `${dir}`. */
function bind(
	t: { teardown(callback: () => void): unknown },
	options: string,
	files: Readonly<Record<string, string>>,
	{ global = '', stores = '' } = {},
): Found {
	const dir = mkdtempSync(join(tmpdir(), 'holdfast-certificates-'));
	t.teardown(() => rmSync(dir, { recursive: true, force: true }));
	for (const [name, content] of Object.entries(files)) {
		mkdirSync(dirname(join(dir, name)), { recursive: true });
		writeFileSync(join(dir, name), content, 'latin1');
	}
	const times = 'timeout client 1s\ntimeout server 1s\ntimeout connect 1s\n';
	const text = `global\n${global}\n${stores}\ndefaults\nmode http\n${times}frontend f\nbind 127.0.0.1:1 ssl ${options}\n`;
	const { model, remarks } = load(text.replaceAll('${dir}', dir), {
		readFile: (path: string) => readFileSync(path, 'latin1'),
	});
	return {
		tls: model?.proxies[0]?.binds[0]?.tls,
		remarks: remarks.filter((remark) => remark.startsWith('alert')).map((remark) => remark.replaceAll(dir, '<dir>')),
	};
}

t.test('crt-store', async (t) => {
	const files = { 'crt/site.crt': certificates(SITE)[0] ?? '', 'key/site.key': key(SITE), 'crt/site.der': 'ocsp' };
	const stores = `crt-store web
crt-base \${dir}/crt
key-base \${dir}/key
load crt site.crt key site.key ocsp site.der alias main
crt-store
crt-base \${dir}/crt
load crt site.crt key \${dir}/key/site.key alias other
`;
	for (const [word, path] of [
		['@web/main', '@web/main'],
		['@web/site.crt', '@web/site.crt'],
		['@/other', '@/other'],
		['${dir}/crt/site.crt', undefined],
	] as const) {
		const { tls, remarks } = bind(t, `crt ${word}`, files, { stores });
		t.strictSame(remarks, [], word);
		if (path !== undefined) t.equal(tls?.certificates[0]?.path, path);
		t.equal(tls?.certificates[0]?.key, key(SITE));
	}
	t.equal(
		bind(t, 'crt @web/main', files, { stores }).tls?.certificates[0]?.ocsp,
		Buffer.from('ocsp').toString('base64'),
	);
	const list = { ...files, list: '@web/main [alpn h2] a.example\n' };
	t.strictSame(bind(t, 'crt-list ${dir}/list', list, { stores }).tls?.certificates[0]?.filters, ['a.example']);
});

t.test('crt-store, what is wrong', async (t) => {
	const refused = (stores: string, options = 'crt @x/y'): string =>
		bind(t, options, { 'site.pem': SITE }, { stores }).remarks.join('\n');
	t.match(refused('crt-store x\nload crt ${dir}/site.pem alias z'), /no 'crt-store' section has loaded '@x\/y'.*@x\/z/);
	t.match(refused('crt-store x\nload alias y'), /'load' expects 'crt'/);
	t.match(refused('crt-store x\nload crt a nonsense b'), /unknown or unsupported argument 'nonsense'/);
	t.match(refused('crt-store x\nload crt'), /'crt' expects an argument/);
	t.match(refused('crt-store x\nload crt a ocsp-update on'), /'ocsp-update on' is not supported/);
	t.match(refused('crt-store x\nload crt a alias y\nload crt b alias y'), /'@x\/y' is loaded twice/);
	t.match(refused('crt-store x\nload crt ${dir}/absent alias y'), /'load'.*absent/);
});

t.test('files beside a certificate', async (t) => {
	const leaf = certificates(SITE)[0] ?? '';
	const ocsp = Buffer.from('response').toString('base64');
	const beside = { 'site.crt': leaf, 'site.crt.key': key(SITE), 'site.crt.ocsp': 'response' };
	t.match(bind(t, 'crt ${dir}/site.crt', beside).tls?.certificates[0], { key: key(SITE), ocsp });
	const without = { global: 'ssl-load-extra-files key' };
	t.match(bind(t, 'crt ${dir}/site.crt', beside, without).tls?.certificates[0], { key: key(SITE), ocsp: undefined });
	t.match(bind(t, 'crt ${dir}/site.crt', beside, { global: 'ssl-load-extra-files none' }).remarks[0], /no private key/);
	const short = { 'site.crt': leaf, 'site.key': key(SITE), 'site.ocsp': 'response' };
	t.match(
		bind(t, 'crt ${dir}/site.crt', short).remarks[0],
		/no private key found in '<dir>\/site.crt' or in '<dir>\/site.crt.key'/,
	);
	const dropping = { global: 'ssl-load-extra-del-ext' };
	t.match(bind(t, 'crt ${dir}/site.crt', short, dropping).tls?.certificates[0], { key: key(SITE), ocsp });
	const bundle = { 'site.pem.ecdsa': SITE };
	t.equal(bind(t, 'crt ${dir}/site.pem', bundle).tls?.certificates.length, 1);
	t.match(bind(t, 'crt ${dir}/site.pem', bundle, { global: 'ssl-load-extra-files ocsp' }).remarks[0], /cannot read/);
	for (const wrong of ['', 'nonsense', 'none key', 'all key']) {
		t.equal(
			bind(t, 'crt ${dir}/site.crt', beside, { global: `ssl-load-extra-files ${wrong}` }).remarks.length,
			1,
			wrong,
		);
	}
});

t.test('chains', async (t) => {
	const sent = (files: Record<string, string>, global: string): string[] =>
		certificates(bind(t, 'crt ${dir}/site.pem', files, { global }).tls?.certificates[0]?.pem ?? '');
	const alone = {
		'site.pem': joined(LEAF, key(CHAIN)),
		'chains/1.pem': ROOT,
		'chains/2.pem': joined(INTERMEDIATE, ROOT),
	};
	t.strictSame(sent(alone, ''), [LEAF]);
	t.strictSame(
		sent(alone, 'issuers-chain-path ${dir}/chains').map((pem) => pem.trim()),
		[LEAF.trim(), INTERMEDIATE.trim(), ROOT.trim()],
	);
	const whole = { ...alone, 'site.pem': CHAIN };
	t.strictSame(sent(whole, 'issuers-chain-path ${dir}/chains'), [LEAF, INTERMEDIATE], 'it has one already');
	const rooted = { 'site.pem': joined(LEAF, ROOT, key(CHAIN)) };
	t.strictSame(sent(rooted, ''), [LEAF, ROOT]);
	t.strictSame(sent(rooted, 'ssl-skip-self-issued-ca'), [LEAF], "the root is its client's affair");
	const long = { 'site.pem': joined(LEAF, INTERMEDIATE, ROOT, key(CHAIN)) };
	t.equal(sent(long, 'ssl-skip-self-issued-ca').length, 3, 'with intermediates the file is taken as it is');
});

t.test('authorities', async (t) => {
	const files = {
		'site.pem': SITE,
		'cas/b.pem': ROOT,
		'cas/a.crt': INTERMEDIATE,
		'cas/.hidden.pem': 'x',
		'cas/notes.txt': 'x',
	};
	const { tls } = bind(t, 'crt ${dir}/site.pem verify required ca-file ${dir}/cas', files);
	t.strictSame(certificates(tls?.ca ?? ''), [INTERMEDIATE, ROOT], 'a directory, in the order of its names');
	const both = bind(
		t,
		'crt ${dir}/site.pem verify required ca-file ${dir}/cas/a.crt ca-verify-file ${dir}/cas/b.pem',
		files,
	);
	t.strictSame([both.tls?.ca, both.tls?.caVerify], [INTERMEDIATE, ROOT]);
	t.match(bind(t, 'crt ${dir}/site.pem verify required ca-verify-file ${dir}/cas/b.pem', files).remarks, []);
	t.match(bind(t, 'crt ${dir}/site.pem verify required', files).remarks[0], /needs 'ca-file'/);
	t.match(bind(t, 'crt ${dir}/site.pem ca-file ${dir}/absent', files).remarks[0], /'ca-file'.*absent/);
	t.match(bind(t, 'crt ${dir}/site.pem generate-certificates', files).remarks[0], /needs 'ca-sign-file'/);
});

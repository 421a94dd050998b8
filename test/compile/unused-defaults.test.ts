/**
 * Rules of named defaults sections that no proxy uses: refused or accepted as HAProxy 2.6.12 does with the same line
 * (`haproxy -c`). What a rule names outside of its section may lead nowhere there.
 */
import t from 'tap';
import { compileForControl } from '../../lib/compile/configuration.js';
import { allocateShared } from '../../lib/compile/shared-state.js';
import { loadConfiguration } from '../../lib/config/index.js';
import { Diagnostics } from '../../lib/core/diagnostics.js';
import { createLogger } from '../../lib/core/logger.js';

function isAccepted(text: string): boolean {
	const diagnostics = new Diagnostics();
	const options = {
		files: [{ path: 'test.cfg', content: text }],
		hostName: 'testhost',
		cores: 1,
		readFile: (path: string) => {
			throw new Error(`no file ${path} in this test`);
		},
	};
	const model = loadConfiguration(options, diagnostics);
	if (model === undefined) return false;
	const shared = allocateShared(model, new Map());
	return compileForControl(model, shared, diagnostics, createLogger({ level: 'silent' })) !== undefined;
}

const section = (name: string, lines: string): string =>
	`defaults ${name}\n mode http\n timeout client 1s\n timeout server 1s\n timeout connect 1s\n ${lines}\n`;

const ACCEPTED = [
	'http-request track-sc0 src table nosuch',
	'http-request deny if { http_auth(nolist) }',
	'http-request cache-use nocache',
	'http-request do-resolve(txn.x,nores) hdr(host)',
	'http-request deny if { be_conn(nobe) gt 1 }',
	'http-request deny if { fe_conn(nofe) gt 1 }',
	'http-request return errorfiles nosuch status 404',
	'acl a path_beg /x\n http-request deny if a',
	'http-request capture req.hdr(x) id 0',
	'http-request deny if { srv_conn(be/s) gt 1 }',
	'http-request deny if { srv_is_up(s) }',
	'http-request deny if { src_conn_cnt gt 1 }',
	'http-request deny if { src_conn_cnt(nosuch) gt 1 }',
	'http-request set-header x %[src,in_table(nosuch)]',
	'http-response set-header x %[res.hdr(a)]',
	'tcp-request content switch-mode http',
	'http-request deny if { nbsrv gt 1 }',
	'http-request set-timeout server 1s',
];

const REFUSED = [
	'http-request deny if unknownacl',
	'http-request foo',
	'http-request set-var(txn.x) nofetch',
	'http-request set-var(txn.x) str(a),noconv',
	'http-request set-header x %[src,map(/nonexistent.map)]',
	'acl a nofetch x',
	'http-request set-bandwidth-limit nolimit',
	'http-request set-header x %[nofetch]',
	'http-request redirect code 999 location /',
	'tcp-response content bad',
	'http-request use-service nosvc',
	'http-request deny if { path -f /nonexistent.lst }',
	'http-request deny deny_status 999',
	'http-request sc-inc-gpc0(99)',
	'http-request set-path',
	'http-request set-header x %[var(foo.bar)]',
	'http-request deny if { req.hdr(x) -m foo y }',
	'http-after-response deny',
	'http-request wait-for-body time x',
];

t.test('the same verdicts as the reference', async (t) => {
	const rest = `${section('used', '')}frontend f from used\n bind 127.0.0.1:1\n`;
	for (const lines of ACCEPTED) t.equal(isAccepted(section('unused', lines) + rest), true, lines);
	for (const lines of REFUSED) t.equal(isAccepted(section('unused', lines) + rest), false, lines);
});

t.test('a proxy that takes the section finds what is missing', async (t) => {
	const proxy = 'frontend f from unused\n bind 127.0.0.1:1\n';
	t.equal(isAccepted(section('unused', 'http-request track-sc0 src table nosuch') + proxy), false);
});

/** Lines that are refused, and in which words; most sentences are HAProxy 2.6's own. */
import t from 'tap';
import { ACTIONS, actionNames } from '../../lib/rules/actions/index.js';
import type { RuleSite } from '../../lib/sample/types.js';
import { alertsOf, fakeContext } from '../fixtures/stream-view.js';
import { compile, type RuleTestOptions } from './support.js';

interface Refusal {
	readonly rule: string;
	readonly site?: RuleSite;
	readonly options?: RuleTestOptions;
	/** What follows `error detected in ... while parsing '<site> <action>' rule : `, or the whole after `=`. */
	readonly text: string | RegExp;
}

const REFUSALS: readonly Refusal[] = [
	{
		rule: 'set-heade x y',
		text: /^'http-request' expects .*'set-header'.*, but got 'set-heade' in proxy 'fe'.*did you mean 'set-header' \?$/,
	},
	{ rule: '', text: /^'http-request' expects .*'add-header', 'allow'/ },
	{
		rule: 'deny',
		site: 'http-after-response',
		text: /but got 'deny' in proxy 'fe'. 'deny' is an action of 'http-request', 'http-response'\.$/,
	},
	{ rule: 'set-status 200', text: /'set-status' is an action of 'http-response', 'http-after-response'/ },
	{ rule: 'allow', site: 'tcp-request connection', text: /'allow' is an action of/ },
	{
		rule: 'ot-group a b',
		text: "='http-request ot-group' is not supported by holdfast (there is no OpenTracing filter), in proxy 'fe'.",
	},
	{
		rule: 'lua.x',
		text: "='http-request lua.x' is not supported by holdfast (there is no Lua), in proxy 'fe'.",
	},
	{ rule: 'send-spoe-group a b', text: /not supported by holdfast \(.*SPOE is not spoken\)/ },
	{ rule: 'use-service lua.x', text: /service 'lua.x' is not supported by holdfast \(there is no Lua\)/ },
	{ rule: 'set-mark 1', text: /not supported by holdfast/ },
	{ rule: 'cache-use', text: 'expects a cache name.' },
	{ rule: 'cache-store', site: 'http-response', text: 'expects a cache name.' },
	{ rule: 'set-bandwidth-limit', text: 'expects a bandwidth limit filter name.' },
	{ rule: 'set-bandwidth-limit x', text: /unable to find bandwidth limit filter 'x'/ },
	{ rule: 'wait-for-body', text: "missing time to wait: 'time <time>'." },
	{ rule: 'wait-for-body at-least 1k', text: "missing time to wait: 'time <time>'." },
	{ rule: 'wait-for-body time x', text: /'time' argument must be a positive duration/ },
	{ rule: 'wait-for-body time 1s at-least x', text: /'at-least' argument must be a size/ },
	{ rule: 'early-hint Link', text: 'expects exactly 2 arguments.' },
	{ rule: "early-hint 'a b' x", text: "'a b' is not the name of a field." },
	{ rule: 'do-log profile', text: "'profile' expects the name of a log-profile section." },
	{ rule: 'do-log profil x', text: /'if' or 'unless'.* 'profil'/ },
	{ rule: 'normalize-uri', text: 'missing argument <normalizer>.' },
	{ rule: 'normalize-uri path-strip-dt', text: /unknown normalizer 'path-strip-dt'.*'path-strip-dot'/ },
	{ rule: 'normalize-uri path-strip-dot full', text: "unknown argument 'full' for 'path-strip-dot' normalizer." },
	{ rule: 'set-header x', text: 'expects exactly 2 arguments.' },
	{ rule: "set-header '' b", text: 'expects exactly 2 arguments.' },
	{
		rule: 'set-header x y z',
		text: "='http-request set-header' expects either 'if' or 'unless' followed by a condition but found 'z'.",
	},
	{
		rule: 'allow iff { path / }',
		text: "='http-request allow' expects either 'if' or 'unless' followed by a condition but found 'iff'.",
	},
	{ rule: "set-header 'a b' x", text: "'a b' is not a valid header name." },
	{ rule: 'set-header a:b x', text: "'a:b' is not a valid header name." },
	{
		rule: 'add-header Transfer-Encoding chunked',
		text: "'transfer-encoding' tells where the message ends and cannot be changed by a rule.",
	},
	{ rule: 'del-header content-length', text: /'content-length' tells where/ },
	{ rule: 'set-header x %[foo]', text: /unknown fetch method 'foo'/ },
	{ rule: 'set-header x %[res.hdr(a)]', text: /'HTTP response headers'/ },
	{ rule: 'del-header', text: 'expects at least 1 argument.' },
	{ rule: 'del-header a -m', text: '-m flag expects exactly 1 argument.' },
	{ rule: 'del-header a -m foo', text: "-m with unsupported matching method 'foo'." },
	{ rule: 'replace-header a b', text: 'expects exactly 3 arguments.' },
	{ rule: 'replace-header a ( b', text: /^error .* rule : regex '\(' is invalid \(/ },
	{ rule: 'set-path', text: 'expects exactly 1 argument <format>.' },
	{ rule: 'set-pathq a b', text: 'expects exactly 1 argument <format>.' },
	{ rule: 'replace-path a', text: 'expects exactly 2 arguments <match-regex> and <replace-format>.' },
	{ rule: 'set-status 20', site: 'http-response', text: 'expects an integer status code between 100 and 999.' },
	{
		rule: 'set-status',
		site: 'http-response',
		text: 'expects 1 argument: <status>; or 3 arguments: <status> reason <fmt>.',
	},
	{ rule: 'set-status 101', site: 'http-response', text: "status code '101' does not end a response." },
	{
		rule: 'set-var req.a src',
		text: "invalid or incomplete action 'set-var'. Expects 'set-var(<var-name>)', 'set-var-fmt(<var-name>)' or 'unset-var(<var-name>)'.",
	},
	{ rule: 'set-var(req.a', text: "incomplete argument after action 'set-var(req.a', a ')' is missing." },
	{ rule: 'set-var() src', text: 'Empty variable name cannot be accepted.' },
	{
		rule: 'set-var(foo) src',
		text: "invalid variable name 'foo'. A variable name must be start by its scope. The scope can be 'proc', 'sess', 'txn', 'req', 'res' or 'check'.",
	},
	{ rule: 'set-var(req.a)', text: 'missing fetch method.' },
	{ rule: 'set-var(req.a) if { path / }', text: 'missing fetch method.' },
	{ rule: 'set-var(req.a,foo) src', text: 'unknown condition "foo".' },
	{
		rule: 'unset-var(req.a,ifset)',
		text: 'unset-var does not expect parameters after the variable name. Only "set-var" and "set-var-fmt" manage conditions.',
	},
	{ rule: 'set-log-level loud', text: "expects exactly 1 argument (log level name or 'silent')." },
	{ rule: 'capture', text: "expects <expression> [ 'len' <length> | id <idx> ]." },
	{ rule: 'capture src len 0', text: 'length must be > 0.' },
	{ rule: 'capture src id 4', text: "unable to find capture id '4' referenced by http-request capture rule." },
	{
		rule: 'capture src len 5',
		options: { kind: 'backend' },
		text: "=error detected in backend 'fe' while parsing 'http-request capture' rule : proxy 'fe' has no frontend capability.",
	},
	{ rule: 'capture src len 5', site: 'http-response', text: "expects 'id', found 'len'." },
	{ rule: 'capture src id 0', site: 'tcp-request content', text: "a positive 'len' argument is mandatory." },
	{ rule: 'set-timeout server', text: 'expects exactly 2 arguments.' },
	{ rule: 'set-timeout foo 10s', text: /supports 'server'\/'tunnel'\/'client' \(got 'foo'\)/ },
	{ rule: 'set-timeout server 0', text: "null value is not valid for a 'set-timeout server' rule." },
	{ rule: 'set-timeout server 1x', text: /'x' is not a unit of time/ },
	{
		rule: 'set-timeout server 1s',
		options: { kind: 'frontend' },
		text: "=error detected in frontend 'fe' while parsing 'http-request set-timeout' rule : proxy 'fe' has no backend capability.",
	},
	{ rule: 'strict-mode maybe', text: "Unexpected value 'maybe'. Only 'on' and 'off' are supported." },
	{ rule: 'set-src', text: 'missing fetch method.' },
	{ rule: 'set-nice foo', text: 'expects exactly 1 argument (integer value).' },
	{ rule: 'reject(1)', text: "'reject' takes no argument in parentheses." },
	{ rule: 'deny deny_status 999', text: "Unexpected status code '999'." },
	{
		rule: 'deny deny_status 418',
		text: "status code '418' not handled by default with 'default-errorfiles' argument.",
	},
	{
		rule: 'deny default-errorfiles string a',
		text: "unexpected 'string' argument, 'default-errorfiles' already defined.",
	},
	{ rule: 'return status', text: "'status' expects <status_code> as argument." },
	{
		rule: 'return foo bar',
		text: "='http-request return' expects either 'if' or 'unless' followed by a condition but found 'foo'.",
	},
	{ rule: 'return string foo', text: 'a content type must be defined when non-empty payload is configured.' },
	{ rule: 'return status 204 content-type a/b string x', text: 'No body expected for 204 responses.' },
	{ rule: 'return hdr x', text: "'hdr' expects <name> and <value> as arguments." },
	{ rule: 'return file /none content-type a/b', text: "error opening file '/none'." },
	{ rule: 'return errorfile /none', text: "error opening file '/none'." },
	{ rule: 'return errorfile e', options: { files: { e: 'no http' } }, text: /^error .*'e': unable to parse headers/ },
	{
		rule: 'return errorfile e',
		options: { files: { e: 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc' } },
		text: "'e': content-length 5 differs from the 3 bytes of the body.",
	},
	{
		rule: 'return errorfile e',
		options: { files: { e: 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nabc' } },
		text: /'transfer-encoding' header is not allowed/,
	},
	{ rule: 'return status 404 errorfiles none', text: /unknown http-errors section 'none' referenced by an http reply/ },
	{ rule: 'auth realm', text: 'missing realm value.' },
	{ rule: 'redirect foo', text: /^error .* : expects 'code', 'prefix', .* \(was 'foo'\)\.$/ },
	{ rule: 'redirect location', text: "missing argument for 'location'." },
	{
		rule: 'redirect location / code 999',
		text: "'code': unsupported HTTP code '999' (must be one of 301, 302, 303, 307 or 308).",
	},
	{ rule: 'redirect code 301', text: "redirection type expected ('prefix', 'location', or 'scheme')." },
	{ rule: 'track-sc0', text: 'missing fetch method.' },
	{ rule: 'track-sc9 src', text: '9 track-sc number exceeding 2 (tune.stick-counters 3) value.' },
	{ rule: 'track-scx src', text: "Wrong track-sc number 'x'." },
	{ rule: 'track-sc0 src', text: "unable to find table 'fe' referenced by track-sc0." },
	{ rule: 'track-sc0 src table none', text: "unable to find table 'none' referenced by track-sc0." },
	{ rule: 'track-sc0 src table', text: 'missing table name.' },
	{ rule: 'sc-inc-gpc0(9)', text: "invalid stick table track ID '9'. The max allowed ID is 2." },
	{ rule: 'sc-inc-gpc0(a)', text: "invalid stick table track ID 'a'. Expects sc-inc-gpc0(<Track ID>)." },
	{ rule: 'sc-inc-gpc(0)', text: "Missing gpc ID 'sc-inc-gpc(0)'. Expects sc-inc-gpc(<GPC ID>,<Track ID>)." },
	{ rule: 'sc-inc-gpc(100,0)', text: "invalid gpc ID '100'. The max allowed ID is 99." },
	{ rule: 'sc-set-gpt0(0)', text: 'missing integer or expression.' },
	{ rule: 'sc-set-gpt0(0) foo', text: /unknown fetch method 'foo'/ },
	{ rule: 'sc-set-gpt0(0) 5x', text: "invalid integer value '5x'." },
	{ rule: 'deny if { path', text: /missing closing '}' in condition/ },
	{ rule: 'deny if nosuch', text: /no such ACL : 'nosuch'/ },
];

for (const { rule, site = 'http-request', options, text } of REFUSALS) {
	t.test(`${site} ${rule}`, (t) => {
		const { rules, alerts, context } = compile(site, [rule], options);
		t.equal(rules, undefined);
		t.equal(alerts.length, 1, alerts.join(' / '));
		t.same(context.diagnostics.list.find((item) => item.severity === 'alert')?.place, { file: 'rules.cfg', line: 1 });
		const alert = alerts[0] ?? '';
		if (text instanceof RegExp) t.match(alert, text);
		else if (text.startsWith('=')) t.equal(alert, text.slice(1));
		else {
			const first = rule.split(' ')[0];
			t.equal(alert, `error detected in proxy 'fe' while parsing '${site} ${first}' rule : ${text}`);
		}
		t.end();
	});
}

t.test('every faulty line of a set is named', (t) => {
	const { alerts, context } = compile('http-request', ['set-header x', 'allow', 'foo', 'deny x']);
	t.equal(alerts.length, 3);
	t.same(
		context.diagnostics.list.map((item) => item.place?.line),
		[1, 3, 4],
	);
	t.end();
});

t.test('no action throws on missing, empty or doubled words', (t) => {
	for (const { name, sites, parentheses } of ACTIONS.values()) {
		const keyword = name === 'track-sc' ? 'track-sc0' : name;
		for (const site of sites) {
			for (const inside of parentheses === true ? ['', '()', '(,)', '(0)', '(0,0)', '(txn.a', '(txn.a)'] : ['', '(']) {
				for (const rest of ['', " ''", ' if', ' a', " a ''", ' -m', ' %[', ' a a a', ' status', ' table', ' len 3']) {
					t.doesNotThrow(() => compile(site, [`${keyword}${inside}${rest}`]));
				}
			}
		}
	}
	t.end();
});

t.test('remarks of lines that are accepted', (t) => {
	const remarks = (rule: string, options: RuleTestOptions = {}): readonly string[] =>
		compile('http-request', [rule], options).remarks;
	t.match(remarks('return content-type text/plain')[0], /content-type 'text\/plain' ignored by the http reply because/);
	t.match(remarks('return default-errorfiles hdr a b')[0], /hdr parameters ignored/);
	t.match(remarks('return hdr Content-Length 5')[0], /header 'content-length' always ignored by the http reply/);
	t.match(remarks('set-nice 3')[0], /no effect/);
	t.match(remarks('wait-for-handshake')[0], /no effect/);
	t.equal(compile('http-request', ['set-nice 3', 'set-nice 4']).remarks.length, 1);
	t.end();
});

t.test('the actions of each set are those of the manual', (t) => {
	// Beyond 2.6: sc-add-gpc, sc-* and set-log-level in http-after-response, set-timeout in http-response.
	t.same(actionNames('http-after-response'), [
		'add-acl(*)',
		'add-header',
		'allow',
		'capture',
		'del-acl(*)',
		'del-header',
		'del-map(*)',
		'do-log',
		'replace-header',
		'replace-value',
		'sc-add-gpc(*)',
		'sc-inc-gpc(*)',
		'sc-inc-gpc0(*)',
		'sc-inc-gpc1(*)',
		'sc-set-gpt(*)',
		'sc-set-gpt0(*)',
		'set-header',
		'set-log-level',
		'set-map(*)',
		'set-status',
		'set-var(*)',
		'set-var-fmt(*)',
		'strict-mode',
		'unset-var(*)',
	]);
	t.notOk(actionNames('tcp-response content').includes('track-sc<n>'));
	t.notOk(actionNames('tcp-request connection').includes('capture'));
	t.same(alertsOf(fakeContext()), []);
	t.end();
});

/**
 * Every fetch of HAProxy 2.6 that is built, and the converters of tables and maps, in rules of a running proxy: the same
 * conf file is made for both programs from the tables of names, the same requests are sent, the values must be the same.
 * Where time or chance is in a value (rates, dates, ports), its digits are not compared.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { CONVERTERS } from '../../lib/sample/converters/index.js';
import { FETCHES } from '../../lib/sample/fetches/index.js';
import { siteProvides } from '../../lib/sample/sites.js';
import type { ArgumentSpec, RuleSite } from '../../lib/sample/types.js';
import { startEchoOrigin } from '../fixtures/echo-origin.js';
import { RawClient } from '../fixtures/http-client.js';
import { skipUnlessHaproxy } from '../fixtures/interop.js';
import { type Program, startProgram } from '../fixtures/program.js';
import { fakeContext } from '../fixtures/stream-view.js';
import { waitFor } from '../fixtures/wait-for.js';

t.setTimeout(100_000);

/** Names of a part of the fixture. */
function namesOf(part: string): string[] {
	const text = readFileSync('test/fixtures/language/keywords.txt', 'latin1');
	return (text.split(`[${part}]\n`)[1] ?? '').split('\n\n')[0]?.split('\n').filter(Boolean) ?? [];
}

/** Arguments where the kind of the first does not say enough. */
const ARGUMENTS: Readonly<Record<string, string>> = {
	bin: '4142',
	bool: 'true',
	env: 'HOLDFAST_NOTHING',
	ipv4: '192.0.2.1',
	ipv6: '2001:db8::1',
	meth: 'PUT',
	str: 'text',
	var: 'txn.mark',
	payload: '0,4',
	'req.payload': '0,4',
	'res.payload': '0,4',
	payload_lv: '0,1',
	'req.payload_lv': '0,1',
	'res.payload_lv': '0,1',
	hdr: 'x-list',
	shdr: 'x-list',
	'req.body_param': 'b',
};
const BY_PREFIX: readonly (readonly [prefix: RegExp, argument: string])[] = [
	[/hdr_ip$/, 'x-ip'],
	[/^(?:req\.|res\.)?f?hdr(?!s|_names)/, 'x-list'],
	[/^shdr/, 'x-list'],
	[/^(?:req\.|res\.)?s?cook|^set-cookie/, 'b'],
	[/^url(?:p|_param)/, 'b'],
];

/** Digits of these are not compared; a rate may also be nothing yet. */
const VARIES =
	/_rate|^date|^rand|^uuid|^hostname|_port$|^unique-id|bytes|^act_conn|^fe_conn|^be_conn|queue|^connslots|^thread|^table_(?:expire|idle)|srv_conn|^last_rule|_trackers|conn_cur|^capture\.res/;
/**
 * Not compared at all: the conf gives them no value, or another each time; timeouts in force, which the reference shows
 * as 0 before the server is connected, whatever its manual says.
 */
const LEFT_OUT =
	/^(?:set-cookie$|req\.hdrs|res\.hdrs|cur_(?:server|tunnel)_timeout$|ssl_|stopping$|(?:req\.|res\.)?payload|(?:req|res)[._]len$|(?:req\.)?rdp_cookie|(?:req|res|rep)[._]ssl_|req[._]proto_http$|uuid$|distcc|fcgi|internal|nbproc$|fc_pp|wait_end$|req\.body$|res\.body|res\.cache|res\.comp)/;

function argumentOf(name: string, specs: readonly ArgumentSpec[]): string | undefined {
	const known = ARGUMENTS[name] ?? BY_PREFIX.find(([prefix]) => prefix.test(name))?.[1];
	if (known !== undefined) return known;
	const words: string[] = [];
	for (const spec of specs) {
		if (spec.kind === 'table') words.push(/gpc\b|gpt\b|gpc_rate/.test(name) ? 'arrays' : 'counters');
		else if (spec.kind === 'frontend') words.push('f');
		else if (spec.kind === 'backend') words.push('b');
		else if (spec.optional === true) continue;
		else if (spec.kind === 'server') words.push('b/s1');
		else if (spec.kind === 'userlist') words.push('people');
		else if (spec.kind === 'sint') words.push(/gpc\b|gpt\b|gpc_rate/.test(name) && words.length === 1 ? '1' : '0');
		else return undefined;
	}
	return words.join(',');
}

interface Case {
	readonly name: string;
	readonly text: string;
}

function fetchCases(kind: 'frontend' | 'backend', site: RuleSite): Case[] {
	const context = fakeContext({ kind, site });
	return namesOf('fetch').flatMap((name): Case[] => {
		const fetch = FETCHES.get(name);
		if (fetch === undefined || LEFT_OUT.test(name)) return [];
		if (!fetch.needs.some((need) => siteProvides(context, need))) return [];
		// Of the counters, those of the array are tracked by sc1, the others by sc0 and sc2.
		let argument = argumentOf(name, fetch.args);
		if (argument === undefined) return [];
		if (/^sc_/.test(name)) argument = /(?:gpc|gpt|gpc_rate)$/.test(name) ? '1,1' : '0';
		else if (/^sc\d_/.test(name)) argument = '';
		return [{ name, text: argument === '' ? name : `${name}(${argument})` }];
	});
}

function tableCases(): Case[] {
	return namesOf('converter').flatMap((name): Case[] => {
		const converter = CONVERTERS.get(name);
		if (converter === undefined || !/^(?:table_|in_table)/.test(name)) return [];
		const table = /gpc$|gpt$|gpc_rate$/.test(name) ? 'arrays' : 'counters';
		const index = converter.args[0]?.kind === 'sint' ? '1,' : '';
		return ['src', 'str(192.0.2.77)'].map((key) => ({ name, text: `${key},${name}(${index}${table})` }));
	});
}

const MAP_VALUES: readonly string[] = [
	'str(abc)',
	'str(/a/bc/d)',
	'str(www.ab.example:80)',
	'int(7)',
	'str(10.1.2.3)',
	'str(zz)',
];

function mapCases(): Case[] {
	return namesOf('converter').flatMap((name): Case[] => {
		const parts = /^map(?:_(str|beg|sub|dir|dom|end|reg|regm|int|ip))?(?:_(int|ip|str))?$/.exec(name);
		if (parts === null || !CONVERTERS.has(name)) return [];
		const [, method = 'str', output = 'str'] = parts;
		return MAP_VALUES.flatMap((value) => [
			{ name, text: `${value},${name}(DIR/${method}-${output}.map)` },
			{ name, text: `${value},${name}(DIR/${method}-${output}.map,${output === 'ip' ? '9.9.9.9' : '99'})` },
		]);
	});
}

const MAP_KEYS: Readonly<Record<string, readonly string[]>> = {
	str: ['abc', 'zz', 'abc'],
	beg: ['a', 'ab', '/a', 'www'],
	sub: ['b', 'ab', 'xyz'],
	dir: ['bc', '/a', 'a/bc'],
	dom: ['ab', 'example', 'ab.example'],
	end: ['c', 'bc', 'd', ':80'],
	reg: ['^a(.)', 'b', '^/(.*)/d$'],
	regm: ['^a(.)', '^/(.*)/d$'],
	int: ['7', '1:9', '100'],
	ip: ['10.0.0.0/8', '10.1.2.0/24', '192.0.2.1'],
};
const MAP_DATA: Readonly<Record<string, readonly string[]>> = {
	str: ['one', 'two \\1', 'three', 'four'],
	int: ['1', '-2', '3', '4'],
	ip: ['1.1.1.1', '2001:db8::2', '3.3.3.3', '4.4.4.4'],
};

function writeMaps(folder: string): void {
	for (const [method, keys] of Object.entries(MAP_KEYS)) {
		for (const [output, data] of Object.entries(MAP_DATA)) {
			writeFileSync(
				join(folder, `${method}-${output}.map`),
				`${keys.map((key, index) => `${key} ${data[index]}`).join('\n')}\n`,
			);
		}
	}
}

/** Values as lines of fields, few enough for one line of a conf file. */
const CASES_PER_LINE = 20;

function rulesOf(keyword: string, group: string, cases: readonly Case[]): string[] {
	const lines: string[] = [];
	for (let at = 0; at < cases.length; at += CASES_PER_LINE) {
		const shown = cases.slice(at, at + CASES_PER_LINE).map(({ text }) => `[%[${text.replaceAll('DIR', '${dir}')}]]`);
		lines.push(`    ${keyword} set-header x-${group}-${at / CASES_PER_LINE} '${shown.join('')}'`);
	}
	return lines;
}

const FRONTEND = fetchCases('frontend', 'http-request');
const BACKEND = fetchCases('backend', 'http-request');
const RESPONSE = fetchCases('backend', 'http-response');
const TABLES = tableCases();
const MAPS = mapCases();

const COUNTERS =
	'gpc0,gpc1,gpt0,conn_cnt,conn_cur,conn_rate(10s),sess_cnt,sess_rate(10s),http_req_cnt,http_req_rate(10s),http_err_cnt,http_err_rate(10s),http_fail_cnt,http_fail_rate(10s),bytes_in_cnt,bytes_in_rate(10s),bytes_out_cnt,bytes_out_rate(10s),gpc0_rate(10s),gpc1_rate(10s)';

const CONFIG = `
global
    stats socket \${dir}/s level admin
userlist people
    group wheel users joe
    user joe insecure-password secret
defaults
    mode http
    timeout connect 2s
    timeout client 5s
    timeout server 6s
    timeout tunnel 7s
frontend f
    id 3
    bind 127.0.0.1:\${port1} name web
    declare capture request len 10
    declare capture response len 10
    capture request header x-list len 8
    option http-buffer-request
    tcp-request connection track-sc0 src table counters
    http-request track-sc1 src table arrays
    http-request track-sc2 src table others
    http-request set-var(txn.mark) str(marked)
    http-request sc-inc-gpc0(0)
    http-request sc-inc-gpc(1,1)
    http-request sc-set-gpt0(0) 7
    http-request sc-set-gpt(1,1) 8
    http-request set-header x-ready 1
${rulesOf('http-request', 'f', FRONTEND).join('\n')}
${rulesOf('http-request', 't', TABLES).join('\n')}
    default_backend b
frontend maps
    bind 127.0.0.1:\${port2}
${rulesOf('http-request', 'm', MAPS).join('\n')}
    default_backend b
backend b
    id 9
${rulesOf('http-request', 'b', BACKEND).join('\n')}
${rulesOf('http-response', 'r', RESPONSE).join('\n')}
    server s1 127.0.0.1:\${port3} weight 5 maxconn 50
    server s2 127.0.0.1:1 backup
backend counters
    stick-table type ip size 1k expire 1m store ${COUNTERS}
backend others
    stick-table type ip size 1k expire 1m store ${COUNTERS}
backend arrays
    stick-table type ip size 1k expire 1m store gpc(3),gpc_rate(3,10s),gpt(3)
`;

const REQUESTS: readonly (readonly [title: string, port: number, head: string, body?: string])[] = [
	[
		'many fields',
		1,
		'POST /p/a.html?a=1&b=2;c=3 HTTP/1.1\r\nhost: Example.com:8080\r\nx-list: 1, 2,3\r\nx-list: 12\r\nx-ip: 10.0.0.1, 10.0.0.2:80\r\ncookie: a=1; b=22\r\nauthorization: Basic am9lOnNlY3JldA==\r\nx-want: field=X-List:5,6 field=X-Ip:10.0.0.3 field=Set-Cookie:b=33;path=/ field=Set-Cookie:a=4\r\ncontent-length: 9\r\n',
		'b=7&c=899',
	],
	['few', 1, 'GET / HTTP/1.1\r\nhost: h\r\n'],
	['wrong password', 1, 'GET /x HTTP/1.1\r\nhost: h\r\nauthorization: Basic am9lOndyb25n\r\nx-want: status=404\r\n'],
	['maps', 2, 'GET / HTTP/1.1\r\nhost: h\r\n'],
];

/** Values by group and place: what the origin was sent, and what the client got. */
function valuesIn(text: string): ReadonlyMap<string, string> {
	const found = new Map<string, string>();
	for (const match of text.matchAll(/^x-([ftmbr])-(\d+): (.*?)\r?$/gim)) {
		for (const [index, value] of (match[3] ?? '').slice(1, -1).split('][').entries()) {
			found.set(`${match[1]}${Number(match[2]) * CASES_PER_LINE + index}`, value);
		}
	}
	return found;
}

async function ask(program: Program, port: number, head: string, body = ''): Promise<ReadonlyMap<string, string>> {
	const client = await RawClient.connect(program.port(port));
	client.send(`${head}connection: close\r\n\r\n${body}`);
	await waitFor('the answer', () => client.ended);
	client.close();
	return valuesIn(client.received);
}

const GROUPS: Readonly<Record<string, readonly Case[]>> = { f: FRONTEND, t: TABLES, m: MAPS, b: BACKEND, r: RESPONSE };

t.test('values are those of HAProxy', { skip: skipUnlessHaproxy('2.6') }, async (t) => {
	const origin = await startEchoOrigin('one');
	t.teardown(() => origin.close());
	const start = async (program: 'holdfast' | 'haproxy'): Promise<Program> => {
		const { freePorts } = await import('../fixtures/ports.js');
		const [first = 0, second = 0] = await freePorts(2);
		return startProgram(t, {
			config: CONFIG,
			ports: 3,
			usePorts: [first, second, origin.port],
			program,
			prepare: writeMaps,
		});
	};
	const [ours, theirs] = await Promise.all([start('holdfast'), start('haproxy')]);
	let compared = 0;
	for (const [title, port, head, body] of REQUESTS) {
		const [our, their] = await Promise.all([ask(ours, port, head, body), ask(theirs, port, head, body)]);
		for (const [group, cases] of Object.entries(GROUPS)) {
			if ((port === 2) !== (group === 'm')) continue;
			for (const [index, { name, text }] of cases.entries()) {
				const masked = (value: string | undefined): string =>
					VARIES.test(name) ? (value ?? '').replace(/[0-9a-f]+/gi, 'N').replace(/^$/, 'N') : String(value);
				const expected = masked(their.get(`${group}${index}`));
				const actual = masked(our.get(`${group}${index}`));
				compared++;
				if (actual !== expected) t.equal(actual, expected, `${title}: ${text} (${group})`);
			}
		}
	}
	t.ok(compared > 1500, `${compared} values`);
});

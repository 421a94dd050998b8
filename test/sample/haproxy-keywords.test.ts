/**
 * The tables of keywords against the real HAProxy's own list (`-dKsmp,cnv,acl`): every fetch and converter is built or
 * refused by name, has the same types, and may be used in the same rules.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { ACL_KEYWORDS } from '../../lib/acl/keywords.js';
import { CONVERTERS, UNSUPPORTED_CONVERTERS } from '../../lib/sample/converters/index.js';
import { FETCHES, UNSUPPORTED_FETCHES } from '../../lib/sample/fetches/index.js';
import { siteProvides } from '../../lib/sample/sites.js';
import type { RuleSite } from '../../lib/sample/types.js';
import { findHaproxy, skipUnlessHaproxy } from '../fixtures/interop.js';
import { fakeContext } from '../fixtures/stream-view.js';

function keywords(kind: string): string[] {
	const dir = mkdtempSync(join(tmpdir(), 'holdfast-keywords-'));
	try {
		const file = join(dir, 'empty.cfg');
		writeFileSync(file, '\n');
		const result = spawnSync(findHaproxy()?.path ?? 'haproxy', ['-c', '-f', file, `-dK${kind}`], {
			encoding: 'latin1',
		});
		return `${result.stdout}${result.stderr}`.split('\n');
	} finally {
		rmSync(dir, { recursive: true, force: true });
	}
}

/** Columns of the list, and the rule each stands for. */
const COLUMNS: readonly (readonly [column: number, kind: 'frontend' | 'backend', site: RuleSite])[] = [
	[0, 'frontend', 'tcp-request connection'],
	[1, 'frontend', 'tcp-request session'],
	[2, 'frontend', 'tcp-request content'],
	[3, 'frontend', 'http-request'],
	[5, 'frontend', 'use_backend'],
	[6, 'backend', 'tcp-request content'],
	[7, 'backend', 'http-request'],
	[9, 'backend', 'use-server'],
	[9, 'backend', 'balance'],
	[9, 'backend', 'stick request'],
	[11, 'backend', 'tcp-response content'],
	[12, 'backend', 'http-response'],
	[14, 'backend', 'stick response'],
	[16, 'frontend', 'http-response'],
	[18, 'frontend', 'log-format'],
];

/** Types that say the same: an address of either family, text that the list calls binary. */
const SAME_TYPE: ReadonlyMap<string, readonly string[]> = new Map([
	['ipv4', ['addr', 'ipv4']],
	['addr', ['addr']],
	['bin', ['bin', 'str']],
	['sint', ['sint', 'addr']],
]);

/** HAProxy's list calls these text, its manual binary, and binary is what they hold. */
const BINARY_BY_THE_MANUAL: ReadonlySet<string> = new Set([
	'ssl_fc_cipherlist_bin',
	'ssl_fc_ecformats_bin',
	'ssl_fc_eclist_bin',
	'ssl_fc_extlist_bin',
]);

t.test('fetches', { skip: skipUnlessHaproxy('2.6') }, async (t) => {
	let count = 0;
	for (const line of keywords('smp')) {
		const match = /^\[ ([Y.](?: [Y.])*) \] ([^(:]+)[^:]*: (\w+)/.exec(line);
		if (match === null) continue;
		const [, matrix = '', name = '', listed = ''] = match;
		const type = BINARY_BY_THE_MANUAL.has(name) ? 'bin' : listed;
		const fetch = FETCHES.get(name);
		if (fetch === undefined) {
			t.ok(UNSUPPORTED_FETCHES.has(name), `${name} is refused by name`);
			continue;
		}
		count++;
		t.ok((SAME_TYPE.get(type) ?? [type]).includes(fetch.type), `${name}: ${fetch.type} for ${type}`);
		const columns = matrix.split(' ');
		for (const [column, kind, site] of COLUMNS) {
			const context = fakeContext({ kind, site });
			const ours = fetch.needs.some((need) => siteProvides(context, need));
			if (ours !== (columns[column] === 'Y')) t.equal(ours, columns[column] === 'Y', `${name} in ${kind} ${site}`);
		}
	}
	t.ok(count > 200, `${count} fetches`);
});

t.test('converters', { skip: skipUnlessHaproxy('2.6') }, async (t) => {
	let count = 0;
	for (const line of keywords('cnv')) {
		const match = /^([\w.-]+)(?:\(.*\))?: (\w+) => (\w+)$/.exec(line);
		if (match === null) continue;
		const [, name = '', output = '', input = ''] = match;
		const converter = CONVERTERS.get(name);
		if (converter === undefined) {
			t.ok(UNSUPPORTED_CONVERTERS.has(name), `${name} is refused by name`);
			continue;
		}
		count++;
		t.ok((SAME_TYPE.get(output) ?? [output]).includes(converter.output), `${name} gives ${output}`);
		t.equal(converter.input, input, `${name} takes ${input}`);
	}
	t.ok(count > 100, `${count} converters`);
});

t.test('ACL keywords', { skip: skipUnlessHaproxy('2.6') }, async (t) => {
	for (const line of keywords('acl')) {
		const match = /^(\S+) = (\S+) -m (\w+)$/.exec(line);
		if (match === null) continue;
		const [, keyword = '', fetch, method] = match;
		if (ACL_KEYWORDS.has(keyword)) t.same(ACL_KEYWORDS.get(keyword), { fetch, method }, keyword);
		else t.ok(FETCHES.has(keyword) || UNSUPPORTED_FETCHES.has(keyword), `${keyword} is known`);
	}
});

/** Every example in conf/ is valid: Holdfast says so without a remark, and HAProxy where it is installed. */
import { execFileSync, spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { findHaproxy } from '../fixtures/interop.js';
import { plainNode } from '../fixtures/plain-node.js';
import { HOLDFAST } from '../fixtures/program.js';

const folder = fileURLToPath(new URL('../../conf/', import.meta.url));
const names = readdirSync(folder).filter((name) => name.endsWith('.cfg'));
/** Written for what only Holdfast has. */
const OWN_LANGUAGE = /aggregat|decision|redis|snapshot|engine/;

t.ok(names.length >= 6, `${names.length} examples`);

for (const name of names) {
	t.test(name, async (t) => {
		const { status, stdout, stderr } = spawnSync(...plainNode([HOLDFAST, '-c', '-f', folder + name]), {
			encoding: 'utf8',
		});
		t.equal(status, 0);
		t.match(stdout, 'Configuration file is valid');
		t.notMatch(stderr, /\[(?:ALERT|WARNING)\]/);
		const haproxy = findHaproxy();
		if (haproxy === undefined || OWN_LANGUAGE.test(name)) return;
		t.doesNotThrow(() => execFileSync(haproxy.path, ['-c', '-f', folder + name], { stdio: 'pipe' }), 'HAProxy agrees');
	});
}

/**
 * Each `<name>.cfg` of test/fixtures/config beside what it must become: `<name>.json` holds the part of the
 * model that matters (every field written there must be so), `<name>.errors` every remark, one a line.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import t from 'tap';
import { load } from './load.js';

const DIRECTORY = 'test/fixtures/config';

const DISK = new Map([
	['/errors/403.http', 'HTTP/1.1 403 Forbidden\r\n\r\nno\n'],
	['/errors/503.http', 'HTTP/1.1 503 Sorry\r\n\r\nsorry\n'],
	['/lists/bots.lst', 'curl\n'],
	['/lists/bad.lst', '10.0.0.1\n'],
	['/maps/paths.map', '/a b\n'],
	['/pages/hello.txt', 'hello %ci\n'],
	['/etc/passwd', 'root:x:0:0:root:/root:/bin/bash\ndaemon:x:1:1::/:/bin/false\n'],
	['/etc/group', 'root:x:0:\ndaemon:x:1:\n'],
]);

/** Maps become objects, as JSON writes them. */
const plain = (value: unknown): unknown =>
	JSON.parse(JSON.stringify(value, (_key, item: unknown) => (item instanceof Map ? Object.fromEntries(item) : item)));

/** Where a value is not what is expected; of an object only the fields that are expected count. */
function differences(expected: unknown, found: unknown, path: string): string[] {
	if (typeof expected !== 'object' || expected === null || typeof found !== 'object' || found === null) {
		return expected === found ? [] : [`${path}: expected ${JSON.stringify(expected)}, found ${JSON.stringify(found)}`];
	}
	if (Array.isArray(expected) && Array.isArray(found) && expected.length !== found.length) {
		return [`${path}: expected ${expected.length} items, found ${found.length}: ${JSON.stringify(found)}`];
	}
	const fields = found as Record<string, unknown>;
	return Object.entries(expected).flatMap(([key, value]) => differences(value, fields[key], `${path}.${key}`));
}

for (const file of readdirSync(DIRECTORY).filter((name) => name.endsWith('.cfg'))) {
	const base = `${DIRECTORY}/${file.slice(0, -'.cfg'.length)}`;
	t.test(file, async (t) => {
		const { model, remarks } = load(readFileSync(`${base}.cfg`, 'latin1'), { disk: DISK });
		if (existsSync(`${base}.errors`)) {
			const expected = readFileSync(`${base}.errors`, 'latin1').split('\n').slice(0, -1);
			t.same(remarks, expected, 'the remarks');
			t.equal(model, undefined, 'no model');
		} else {
			t.ok(model, `accepted: ${remarks.join('; ')}`);
			const expected: unknown = JSON.parse(readFileSync(`${base}.json`, 'utf8'));
			t.same(differences(expected, plain(model), ''), [], 'the model');
			t.doesNotThrow(() => structuredClone(model), 'can be handed to a thread');
		}
	});
}

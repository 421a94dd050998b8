/** `-v` and `-vv`, as tools read them that were made for HAProxy. */
import t from 'tap';
import { LANGUAGE_LINE, LANGUAGE_VERSION, VERSION, VERSION_LINE } from '../../lib/core/version.js';
import { describeBuild } from '../../lib/process/build.js';

t.test('the third word of the first line is the version of the language, then our own', async (t) => {
	t.equal(VERSION_LINE.split(' ')[2], `${LANGUAGE_VERSION}-holdfast-${VERSION}`);
	// Tools look for these words, and take the next.
	t.equal(/^HA-?Proxy version (\S+)/.exec(LANGUAGE_LINE)?.[1], `${LANGUAGE_VERSION}-holdfast-${VERSION}`);
	t.match(VERSION_LINE, /version (\d+)\.(\d+)\.(\d+)\S* \d{4}\/\d\d\/\d\d$/);
});

t.test('lines that scripts look for', async (t) => {
	const lines = describeBuild().split('\n');
	t.match(
		lines.find((line) => line.startsWith('Feature list :')),
		/ \+OPENSSL .* \+PROMEX .* \+THREAD/,
	);
	t.ok(lines.some((line) => /^ {2}TARGET {2}= \S+$/.test(line)));
	t.ok(lines.includes('Available services : prometheus-exporter'));
	const filters = lines.slice(lines.indexOf('Available filters :') + 1);
	t.same(filters.slice(0, 4), [
		'\t[BWLIM] bwlim-in',
		'\t[BWLIM] bwlim-out',
		'\t[CACHE] cache',
		'\t[ COMP] compression',
	]);
});

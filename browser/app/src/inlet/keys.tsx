import { useMutation, useQuery } from '@tanstack/react-query'
import { type FormEvent, useState } from 'react'
import { Copy } from '../console/copy'
import { all, useRoles, useSources } from '../console/data'
import { Listing } from '../console/listing'
import { Page } from '../console/page'
import { Fact } from '../console/story'
import { api, ok, type Schemas } from '../lib/api'
import type { Fault } from '../lib/fault'
import { useActs } from '../lib/keys'
import { queries } from '../lib/query'
import { t, tOf } from '../lib/words'
import { Badge } from '../ui/badge'
import { Button } from '../ui/button'
import { Confirm } from '../ui/dialog'
import { Empty } from '../ui/empty'
import { Field, TextField } from '../ui/field'
import { Select } from '../ui/select'
import { Sheet } from '../ui/sheet'
import { Ago, When } from '../ui/time'
import { formFault, say, sayFault } from '../ui/toast'

type Key = Schemas['APIKey']
const tones = { valid: 'good', expired: 'plain', revoked: 'lost' } as const
const State = ({ state }: { state: Key['state'] }) => <Badge tone={tones[state]}>{t(`inlet.key.state.${state}`)}</Badge>

/** What pages and servers come in with. A key's text is shown once. */
export function Keys() {
  const list = useQuery({ queryKey: ['keys'], queryFn: () => all((cursor) => ok(api.GET('/v1/keys', { params: { query: { limit: 500, cursor } } }))) })
  const sources = useSources().data
  const named = useRoles()
  const [making, make] = useState(false)
  const [id, open] = useState<string | null>(null)
  const rows = [...(list.data ?? [])].sort((a, b) => Number(b.state === 'valid') - Number(a.state === 'valid') || b.created_at.localeCompare(a.created_at))
  useActs([{ id: 'keys.new', words: t('inlet.key.new'), keys: 'n', group: t('console.nav.keys'), run: () => make(true) }])
  const chosen = rows.find((k) => k.id === id)
  return (
    <Page full title={t('console.nav.keys')} words={t('inlet.key.words')} action={<Button look="primary" icon="plus" onClick={() => make(true)}>{t('inlet.key.new')}</Button>}>
      <Listing
        query={list}
        rows={rows}
        empty={<Empty title={t('inlet.key.none')} words={t('inlet.key.noneWords')}><Button look="primary" onClick={() => make(true)}>{t('inlet.key.new')}</Button></Empty>}
        keys={{ next: t('inlet.key.next'), before: t('inlet.key.before') }}
        label={t('console.nav.keys')}
        rowKey={(k) => k.id}
        onOpen={(k) => open(k.id)}
        columns={[
          { id: 'name', width: 'minmax(164px,2fr)', head: t('inlet.key.name'), cell: (k: Key) => <><span className="font-medium">{k.name}</span> <span dir="ltr" className="font-mono text-xs text-faint">…{k.tail}</span></> },
          { id: 'kind', width: 'minmax(128px,1.2fr)', head: t('inlet.key.kind'), cell: (k: Key) => (k.role ? `${t('inlet.key.secret')} · ${named.name(k.role)}` : t('inlet.key.publishable')) },
          { id: 'state', width: '140px', head: t('console.col.state'), cell: (k: Key) => <State state={k.state} /> },
          { id: 'ends', width: '190px', head: t('inlet.key.ends'), cell: (k: Key) => (k.expires_at ? <When at={k.expires_at} /> : <span className="text-faint">{t('inlet.key.never')}</span>) },
          { id: 'used', width: '130px', end: true, head: t('inlet.key.used'), cell: (k: Key) => (k.used_at ? <Ago at={k.used_at} /> : <span className="text-faint">{t('inlet.key.unused')}</span>) },
        ]}
      />
      <Sheet open={making} onClose={() => make(false)} title={t('inlet.key.new')}>{making && <New sources={sources ?? []} onClose={() => make(false)} />}</Sheet>
      <Sheet open={!!chosen} onClose={() => open(null)} title={chosen?.name ?? ''}>{chosen && <One key={chosen.id} k={chosen} sources={sources ?? []} />}</Sheet>
    </Page>
  )
}

const again = () => void queries.invalidateQueries({ queryKey: ['keys'] })

/** The text of a key, this once. */
function Text({ made }: { made: Schemas['NewAPIKey'] }) {
  return (
    <div className="rounded bg-good-ground p-4">
      <p className="font-medium">{t('inlet.key.once')}</p>
      <p dir="ltr" className="my-3 font-mono text-xs break-all">{made.key || t('inlet.key.shown')}</p>
      {made.key && <Copy text={made.key} words={t('inlet.key.copy')} />}
    </div>
  )
}

const lines = (s: FormDataEntryValue | null) => String(s ?? '').split(/[\s,]+/).filter(Boolean)

function New({ sources, onClose }: { sources: { id: string; name: string }[]; onClose: () => void }) {
  const named = useRoles()
  const [kind, setKind] = useState<'publishable' | 'secret'>('publishable')
  const [role, setRole] = useState('marketer')
  const [source, setSource] = useState('*')
  const [days, setDays] = useState('365')
  const [made, setMade] = useState<Schemas['NewAPIKey'] | null>(null)
  const [fault, fail] = useState<Fault | null>(null)
  const send = useMutation({
    mutationFn: (f: FormData) =>
      ok(api.POST('/v1/keys', {
        body: {
          kind, name: String(f.get('name')).trim(), sources: source === '*' ? undefined : [source],
          ...(kind === 'secret' ? { role, networks: lines(f.get('networks')) } : { origins: lines(f.get('origins')) }),
          expires_at: days === '*' ? undefined : new Date(Date.now() + Number(days) * 86_400_000).toISOString(),
        },
      })),
    onMutate: () => fail(null),
    onSuccess: (k) => {
      setMade(k)
      again()
    },
    onError: (e) => fail(formFault(e)),
  })
  if (made) return <div className="space-y-4"><Text made={made} /><Button look="primary" onClick={onClose}>{t('common.close')}</Button></div>
  const f = fault?.fields ?? {}
  const submit = (e: FormEvent<HTMLFormElement>) => {
    e.preventDefault()
    send.mutate(new FormData(e.currentTarget))
  }
  return (
    <form onSubmit={submit} className="grid gap-4">
      <Select label={t('inlet.key.kind')} value={kind} onChange={setKind} choices={[{ value: 'publishable', label: t('inlet.key.publishable') }, { value: 'secret', label: t('inlet.key.secret') }]} />
      <p className="-mt-2 text-sm text-soft">{t(kind === 'secret' ? 'inlet.key.secretWords' : 'inlet.key.publishableWords')}</p>
      <Field name="name" label={t('inlet.key.name')} required fault={f.name} autoComplete="off" />
      {kind === 'secret' ? (
        <>
          <Select label={t('console.col.role')} value={role} onChange={setRole} choices={named.choices} />
          <TextField name="networks" rows={2} dir="ltr" label={t('inlet.key.networks')} help={t('inlet.key.networksHelp')} fault={f.networks ?? f['networks.0']} />
        </>
      ) : (
        <TextField name="origins" rows={2} dir="ltr" required label={t('inlet.key.origins')} help={t('inlet.key.originsHelp')} fault={f.origins ?? f['origins.0']} placeholder="https://homes.example" />
      )}
      <Select label={t('console.col.source')} value={source} onChange={setSource} choices={[{ value: '*', label: t('inlet.key.everySource') }, ...sources.map((s) => ({ value: s.id, label: s.name }))]} />
      <Select label={t('inlet.key.ends')} value={days} onChange={setDays} choices={[...['30', '90', '365'].map((d) => ({ value: d, label: t('inlet.key.days', { count: Number(d) }) })), ...(kind === 'publishable' ? [{ value: '*', label: t('inlet.key.never') }] : [])]} />
      <div><Button type="submit" look="primary" busy={send.isPending}>{t('inlet.key.make')}</Button></div>
    </form>
  )
}

function One({ k, sources }: { k: Key; sources: { id: string; name: string }[] }) {
  const named = useRoles()
  const [overlap, setOverlap] = useState('86400')
  const [made, setMade] = useState<Schemas['NewAPIKey'] | null>(null)
  const [ask, show] = useState(false)
  const rotate = useMutation({
    mutationFn: () => ok(api.POST('/v1/keys/{id}/rotate', { params: { path: { id: k.id } }, body: { overlap_seconds: Number(overlap) } })),
    onSuccess: setMade,
    onError: sayFault,
    onSettled: again,
  })
  const revoke = useMutation({
    mutationFn: () => ok(api.POST('/v1/keys/{id}/revoke', { params: { path: { id: k.id } } })),
    onSuccess: () => say(t('inlet.key.isRevoked', { name: k.name }), { kind: 'good' }),
    onError: sayFault,
    onSettled: () => {
      show(false)
      again()
    },
  })
  return (
    <div className="space-y-6">
      <dl className="space-y-2.5">
        <Fact words={t('console.col.state')}><State state={k.state} /></Fact>
        <Fact words={t('inlet.key.kind')}>{k.role ? `${t('inlet.key.secret')} · ${named.name(k.role)}` : t('inlet.key.publishable')}</Fact>
        <Fact words={t('console.nav.sources')}>{k.sources.length ? k.sources.map((s) => sources.find((x) => x.id === s)?.name ?? '…' + s.slice(-6)).join(', ') : t('inlet.key.everySource')}</Fact>
        {k.kind === 'publishable' ? <Fact words={t('inlet.key.origins')}><span dir="ltr">{k.any_origin ? t('inlet.key.anyOrigin') : k.origins.join(' ')}</span></Fact> : <Fact words={t('inlet.key.networks')}><span dir="ltr">{k.networks.join(' ') || t('inlet.key.anywhere')}</span></Fact>}
      </dl>
      <section>
        <h3 className="text-sm font-semibold">{t('inlet.key.texts')}</h3>
        <ul>
          {k.generations.map((g) => (
            <li key={g.tail + g.created_at} className="flex flex-wrap items-center gap-x-4 gap-y-1 border-b border-line py-2.5 text-sm">
              <span dir="ltr" className="font-mono text-xs">…{g.tail}</span>
              <span className="flex-1 text-soft">{tOf('inlet.key.text', g.state)}{g.ends_at && <> · {t('inlet.key.until')} <When at={g.ends_at} /></>}</span>
              <span className="text-soft">{g.used_at ? <>{t('inlet.key.used')} <Ago phrase at={g.used_at} /></> : t('inlet.key.unused')}</span>
            </li>
          ))}
        </ul>
      </section>
      {made && <Text made={made} />}
      {k.state === 'valid' && (
        <>
          <div className="space-y-3">
            <Select label={t('inlet.key.overlap')} value={overlap} onChange={setOverlap} choices={['0', '3600', '86400', '604800'].map((s) => ({ value: s, label: tOf('inlet.key.overlapOf', s) }))} />
            <Button icon="swap" busy={rotate.isPending} onClick={() => rotate.mutate()}>{t('inlet.key.rotate')}</Button>
          </div>
          <Button look="lost" onClick={() => show(true)}>{t('inlet.key.revoke')}</Button>
        </>
      )}
      <Confirm open={ask} onClose={() => show(false)} title={t('inlet.key.revokeAsk', { name: k.name })} words={t('inlet.key.revokeWords')} verb={t('inlet.key.revoke')} busy={revoke.isPending} onYes={() => revoke.mutate()} />
    </div>
  )
}

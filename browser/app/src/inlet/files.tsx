import { useMutation, useQuery } from '@tanstack/react-query'
import { getRouteApi, useNavigate } from '@tanstack/react-router'
import { type ChangeEvent, useState } from 'react'
import { all, useSources } from '../console/data'
import { Listing } from '../console/listing'
import { Page } from '../console/page'
import { api, ok, type Schemas } from '../lib/api'
import { download } from '../lib/download'
import { faultOf } from '../lib/fault'
import { count } from '../lib/format'
import { useMay } from '../lib/me'
import { queries } from '../lib/query'
import { t, told } from '../lib/words'
import { Badge, type Tone } from '../ui/badge'
import { Button } from '../ui/button'
import { Empty } from '../ui/empty'
import { Icon } from '../ui/icon'
import { Progress } from '../ui/progress'
import { Select } from '../ui/select'
import { Sheet } from '../ui/sheet'
import { Rows } from '../ui/skeleton'
import { Ago, When } from '../ui/time'
import { sayFault } from '../ui/toast'
import { decode, head } from './csv'
import { TakeOut } from './export'
import { Target } from './targets'

const here = getRouteApi('/inside/console/files')
type Import = Schemas['Import']
const tones: Record<Import['state'], Tone> = { new: 'plain', receiving: 'accent', received: 'plain', checking: 'accent', checked: 'plain', running: 'accent', done: 'good', cancelled: 'lost' }
const busy = (s: string) => s === 'receiving' || s === 'checking' || s === 'running'
const again = () => void queries.invalidateQueries({ queryKey: ['imports'] })

/** Files of leads: what was brought in, and what is taken out. */
export function Files() {
  const { import: id } = here.useSearch()
  const may = useMay()
  const go = useNavigate()
  const list = useQuery({
    queryKey: ['imports'],
    enabled: !!may('leads:import'),
    queryFn: () => all((cursor) => ok(api.GET('/v1/imports', { params: { query: { limit: 500, cursor } } }))),
    refetchInterval: (q) => (q.state.data?.some((m) => busy(m.state)) ? 2000 : false),
  })
  const sources = useSources().data
  const [making, make] = useState(false)
  const [out, takeOut] = useState(false)
  const open = (to?: string) => void go({ to: '.', search: (s: object) => ({ ...s, import: to }) as never, replace: true })
  const name = (m: Import) => sources?.find((s) => s.id === m.source_id)?.name ?? '…'
  return (
    <Page
      full
      title={t('console.nav.files')}
      words={t('inlet.file.words')}
      action={
        <>
          {may('leads:export') && <Button onClick={() => takeOut(true)}>{t('inlet.export.go')}</Button>}
          {may('leads:import') && <Button look="primary" icon="plus" onClick={() => make(true)}>{t('inlet.file.new')}</Button>}
        </>
      }
    >
      {may('leads:import') && (
        <Listing
          query={list}
          rows={list.data ?? []}
          empty={<Empty title={t('inlet.file.none')} words={t('inlet.file.noneWords')}><Button look="primary" onClick={() => make(true)}>{t('inlet.file.new')}</Button></Empty>}
          keys={{ next: t('inlet.file.next'), before: t('inlet.file.before') }}
          label={t('console.nav.files')}
          rowKey={(m) => m.id}
          onOpen={(m) => open(m.id)}
          columns={[
            { id: 'source', width: 'minmax(170px,2fr)', head: t('console.col.source'), cell: (m: Import) => <span className="font-medium">{name(m)}</span> },
            { id: 'mode', width: '130px', head: t('inlet.file.mode'), cell: (m: Import) => t(`inlet.file.${m.mode}`) },
            { id: 'state', width: '150px', head: t('console.col.state'), cell: (m: Import) => <Badge tone={tones[m.state]}>{t(`inlet.file.state.${m.state}`)}</Badge> },
            { id: 'rows', width: '110px', end: true, head: t('inlet.file.rows'), cell: (m: Import) => count(m.rows) },
            { id: 'taken', width: '110px', end: true, head: t('inlet.file.taken'), cell: (m: Import) => count(m.taken) },
            { id: 'refused', width: '110px', end: true, head: t('inlet.file.refused'), cell: (m: Import) => count(m.refused) },
            { id: 'age', width: '90px', end: true, head: t('console.col.age'), cell: (m: Import) => <Ago at={m.created_at} /> },
          ]}
        />
      )}
      <Sheet open={making} onClose={() => make(false)} title={t('inlet.file.new')}>
        {making && <New onMade={(m) => { make(false); open(m) }} />}
      </Sheet>
      <Sheet open={!!id} onClose={() => open()} title={t('inlet.file.one')}>{id && <One key={id} id={id} />}</Sheet>
      {out && <TakeOut onClose={() => takeOut(false)} />}
    </Page>
  )
}

const peek = 64 << 10

/** A file is chosen, its columns are given their places, and it is sent: nothing is taken before it was tried. */
function New({ onMade }: { onMade: (id: string) => void }) {
  const sources = useSources().data ?? []
  const [chosen, setSource] = useState<string | null>(null)
  const source = chosen ?? (sources.length === 1 ? sources[0]!.id : null)
  const [mode, setMode] = useState<'live' | 'history'>('live')
  const [file, setFile] = useState<File | null>(null)
  const [seen, see] = useState<ReturnType<typeof head> | null>(null)
  const [to, setTo] = useState<Record<string, string>>({})
  const choose = async (e: ChangeEvent<HTMLInputElement>) => {
    const f = e.target.files?.[0] ?? null
    setFile(f)
    see(f ? head(decode(new Uint8Array(await f.slice(0, peek).arrayBuffer()), f.size > peek)) : null)
  }
  const send = useMutation({
    mutationFn: async () => {
      const mapping = Object.fromEntries(Object.entries(to).filter(([k, v]) => v && seen?.columns.includes(k)))
      const m = await ok(api.POST('/v1/imports', { body: { source_id: source!, mode, mapping } }))
      await ok(api.PUT('/v1/imports/{id}/file', { params: { path: { id: m.id } }, body: file as never, bodySerializer: (b: unknown) => b as never, headers: { 'Content-Type': 'text/csv' } })).catch(async (e) => {
        await api.POST('/v1/imports/{id}/cancel', { params: { path: { id: m.id } } }) // nothing half done stays in the list as if it waited
        throw e
      })
      await ok(api.POST('/v1/imports/{id}/check', { params: { path: { id: m.id } } }))
      return m.id
    },
    onSuccess: onMade,
    onSettled: again,
  })
  const fault = send.isError ? faultOf(send.error) : null
  return (
    <div className="grid gap-4">
      <Select label={t('inlet.file.source')} value={source} onChange={setSource} choices={sources.map((s) => ({ value: s.id, label: s.name }))} />
      <Select label={t('inlet.file.mode')} value={mode} onChange={setMode} choices={[{ value: 'live', label: t('inlet.file.live') }, { value: 'history', label: t('inlet.file.history') }]} />
      <p className="-mt-2 text-sm text-soft">{t(`inlet.file.${mode}Words`)}</p>
      <div>
        <label className="text-sm font-medium" htmlFor="leads-file">{t('inlet.file.file')}</label>
        <input id="leads-file" type="file" accept=".csv,.txt,.tsv,text/csv" onChange={(e) => void choose(e)} className="mt-1.5 block w-full rounded border border-edge bg-surface p-2 text-sm file:me-3 file:rounded-sm file:border-0 file:bg-hover file:px-3 file:py-1.5 file:text-ink" />
        <p className="mt-1.5 text-sm text-soft">{t('inlet.file.fileHelp')}</p>
      </div>
      {seen && (
        <section>
          <h3 className="mb-2 text-sm font-semibold">{t('inlet.file.columns')}</h3>
          {seen.columns.length === 0 && <p className="text-soft">{t('inlet.file.noColumns')}</p>}
          <ul>
            {seen.columns.map((c, i) => (
              <li key={c + i} className="space-y-1.5 border-b border-line py-2.5">
                <p className="flex min-w-0 gap-3 text-sm"><span dir="auto" className="font-medium">{c}</span><span dir="auto" className="truncate text-soft">{seen.rows.map((r) => r[i]).filter(Boolean).join(' · ')}</span></p>
                <Target field={c} to={to[c] ?? ''} mode={mode} onChange={(v) => setTo({ ...to, [c]: v })} />
              </li>
            ))}
          </ul>
        </section>
      )}
      {fault && (
        <p role="alert" className="flex items-start gap-1.5 text-sm text-lost"><Icon name="warn" className="mt-0.5 size-4" />{Object.values(fault.fields)[0] ?? fault.detail ?? fault.message}</p>
      )}
      <div><Button look="primary" disabled={!source || !file} busy={send.isPending} onClick={() => send.mutate()}>{send.isPending ? t('inlet.file.sending') : t('inlet.file.send')}</Button></div>
    </div>
  )
}

function One({ id }: { id: string }) {
  const one = useQuery({ queryKey: ['imports', id], queryFn: () => ok(api.GET('/v1/imports/{id}', { params: { path: { id } } })), refetchInterval: (q) => (q.state.data && busy(q.state.data.state) ? 700 : false) })
  const act = useMutation({
    mutationFn: (what: 'start' | 'check' | 'cancel') => ok(api.POST(`/v1/imports/{id}/${what}`, { params: { path: { id } } })),
    onError: sayFault,
    onSettled: again,
  })
  const result = useMutation({ mutationFn: () => download(api.GET('/v1/imports/{id}/result', { params: { path: { id } }, parseAs: 'blob' }), `${id}-result.csv`), onError: sayFault })
  const m = one.data
  if (!m) return <Rows n={3} />
  const checked = m.state === 'checked'
  return (
    <div className="space-y-5">
      <p className="flex flex-wrap items-center gap-3"><Badge tone={tones[m.state]}>{t(`inlet.file.state.${m.state}`)}</Badge><span className="text-sm text-soft">{t(`inlet.file.${m.mode}`)} · <When at={m.created_at} /></span></p>
      {(busy(m.state) || m.state === 'done' || checked) && <Progress label={t(m.state === 'checking' || checked ? 'inlet.file.trying' : 'inlet.file.bringing')} value={m.rows_done} of={m.rows} />}
      {busy(m.state) && <p className="text-sm text-soft">{t('inlet.file.leave')}</p>}
      <dl className="grid grid-cols-3 gap-4">
        {([['taken', m.taken], ['duplicates', m.duplicates], ['refused', m.refused]] as const).map(([k, n]) => (
          <div key={k}><dt className="text-sm text-soft">{t(checked && k === 'taken' ? 'inlet.file.wouldTake' : `inlet.file.${k}`)}</dt><dd className="figures text-xl font-semibold">{count(n)}</dd></div>
        ))}
      </dl>
      {m.faults.length > 0 && (
        <section>
          <h3 className="text-sm font-semibold">{t('inlet.file.faults')}</h3>
          <ul className="mt-1 max-h-72 overflow-y-auto" tabIndex={0} aria-label={t('inlet.file.faults')}>
            {m.faults.map((f, i) => (
              <li key={i} className="border-b border-line py-2 text-sm"><span className="figures font-medium">{t('inlet.file.row', { n: count(f.row) })}{f.column ? ` · ${t('inlet.file.column', { n: f.column })}` : ''}</span><span dir="auto" className="block text-soft">{told('faults.code', f.code, f.detail)}</span></li>
            ))}
          </ul>
          {m.refused > m.faults.length && <p className="mt-2 text-sm text-soft">{t('inlet.file.moreFaults')}</p>}
        </section>
      )}
      <div className="flex flex-wrap gap-2">
        {(m.state === 'received' || checked) && <Button look="primary" busy={act.isPending && act.variables === 'start'} onClick={() => act.mutate('start')}>{t('inlet.file.start')}</Button>}
        {m.state === 'received' && <Button busy={act.isPending && act.variables === 'check'} onClick={() => act.mutate('check')}>{t('inlet.file.check')}</Button>}
        {(m.state === 'done' || checked || m.state === 'cancelled') && <Button busy={result.isPending} onClick={() => result.mutate()}>{t('inlet.file.result')}</Button>}
        {m.state !== 'done' && m.state !== 'cancelled' && <Button look="lost" busy={act.isPending && act.variables === 'cancel'} onClick={() => act.mutate('cancel')}>{t('inlet.file.cancel')}</Button>}
      </div>
    </div>
  )
}

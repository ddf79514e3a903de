import { useMutation, useQuery } from '@tanstack/react-query'
import { getRouteApi, Link, useNavigate } from '@tanstack/react-router'
import { type FormEvent, useState } from 'react'
import { api, ok, type Schemas } from '../lib/api'
import { type Fault, faultOf } from '../lib/fault'
import { count } from '../lib/format'
import { useMay } from '../lib/me'
import { queries } from '../lib/query'
import { t } from '../lib/words'
import { Missing } from '../root'
import { Badge } from '../ui/badge'
import { Button } from '../ui/button'
import { Confirm } from '../ui/dialog'
import { Empty } from '../ui/empty'
import { Field } from '../ui/field'
import { Select } from '../ui/select'
import { Sheet } from '../ui/sheet'
import { Rows } from '../ui/skeleton'
import { Ago } from '../ui/time'
import { formFault, say } from '../ui/toast'
import { type Source, useProjects, useSources } from './data'
import { Mapping } from '../inlet/mapping'
import { Listing } from './listing'
import { Changes } from './changes'
import { Page, Part, Sorry } from './page'
import { HealthState, RhythmPart, useHealth } from './rhythm'
import { Snippet } from './start'
import { Fact } from './story'

const frame = getRouteApi('/inside/console')
const here = getRouteApi('/inside/console/sources/$id')
const Active = ({ on }: { on: boolean }) => <Badge tone={on ? 'good' : 'plain'}>{on ? t('console.source.on') : t('console.source.off')}</Badge>

/** Every way leads come in, with when the last one did. */
export function Sources() {
  const { project } = frame.useSearch()
  const may = useMay()
  const go = useNavigate()
  const sources = useSources()
  const projects = useProjects().data
  const [making, make] = useState(false)
  const shown = sources.data?.filter((s) => !project || s.project_id === project) ?? []
  const counts = !!may('reports:read')
  const health = useHealth(counts).data
  const of = (s: Source) => health?.get(s.id)
  return (
    <Page full title={t('console.nav.sources')} action={may('setup:manage') && <Button look="primary" icon="plus" onClick={() => make(true)}>{t('console.source.new')}</Button>}>
      <Listing
        query={sources}
        rows={shown}
        empty={<Empty title={t('console.source.none')} words={t('console.start.source.words')} />}
        keys={{ next: t('console.source.next'), before: t('console.source.before') }}
        label={t('console.nav.sources')}
        rowKey={(s) => s.id}
        onOpen={(s) => void go({ to: '/console/sources/$id', params: { id: s.id } })}
        columns={[
          { id: 'name', width: 'minmax(170px,2fr)', head: t('console.col.source'), cell: (s: Source) => <span className="font-medium">{s.name}</span> },
          { id: 'project', width: 'minmax(140px,1.4fr)', head: t('console.col.project'), cell: (s: Source) => projects?.find((p) => p.id === s.project_id)?.name },
          { id: 'kind', width: '120px', head: t('console.source.kind'), cell: (s: Source) => t(`console.source.${s.kind}`) },
          { id: 'state', width: '150px', head: t('console.col.state'), cell: (s: Source) => <Active on={s.active} /> },
          ...(counts
            ? [
                { id: 'health', width: '150px', head: t('console.rhythm.col'), cell: (s: Source) => of(s) && s.active && <HealthState state={of(s)!.state} /> },
                { id: 'day', width: '150px', end: true, head: t('console.rhythm.day'), cell: (s: Source) => of(s) && <Day h={of(s)!} /> },
                { id: 'last', width: '110px', end: true, head: t('console.source.last'), cell: (s: Source) => of(s) && (of(s)!.last_at ? <Ago at={of(s)!.last_at!} /> : <span className="text-faint">{t('console.source.never')}</span>) },
              ]
            : []),
        ]}
      />
      <Sheet open={making} onClose={() => make(false)} title={t('console.source.new')}>{making && <New project={project} />}</Sheet>
    </Page>
  )
}

/** How many came in a day, beside how many usually do. */
const Day = ({ h }: { h: Schemas['SourceHealth'] }) => (
  <>
    {count(h.day)}
    {h.usual_day != null && <span className="ms-1.5 text-soft">{t('console.rhythm.of', { n: count(Math.round(h.usual_day)) })}</span>}
  </>
)

function New({ project }: { project?: string }) {
  const projects = useProjects().data ?? []
  const go = useNavigate()
  const [of, choose] = useState(project ?? projects[0]?.id ?? null)
  const [kind, setKind] = useState<'form' | 'api'>('form')
  const [fault, fail] = useState<Fault | null>(null)
  const send = useMutation({
    mutationFn: (name: string) => ok(api.POST('/v1/sources', { body: { name, project_id: of!, kind } })),
    onMutate: () => fail(null),
    onSuccess: (s) => {
      void queries.invalidateQueries({ queryKey: ['sources'] })
      void go({ to: '/console/sources/$id', params: { id: s.id } })
    },
    onError: (e) => fail(formFault(e)),
  })
  const submit = (e: FormEvent<HTMLFormElement>) => {
    e.preventDefault()
    send.mutate(String(new FormData(e.currentTarget).get('name')).trim())
  }
  return (
    <form onSubmit={submit} className="grid gap-4">
      <Field name="name" label={t('console.start.source.name')} placeholder={t('console.start.source.example')} required fault={fault?.fields.name} autoComplete="off" />
      <Select label={t('console.col.project')} value={of} onChange={choose} choices={projects.map((p) => ({ value: p.id, label: p.name }))} />
      <Select label={t('console.source.kind')} value={kind} onChange={setKind} choices={(['form', 'api'] as const).map((k) => ({ value: k, label: t(`console.source.${k}`) }))} />
      <div><Button type="submit" look="primary" disabled={!of} busy={send.isPending}>{t('console.start.source.make')}</Button></div>
    </form>
  )
}

/** One source: what to put where, which of its fields are not personal, and whether it takes leads. */
export function SourcePage() {
  const { id } = here.useParams()
  const may = useMay()
  const source = useQuery({ queryKey: ['sources', id], queryFn: () => ok(api.GET('/v1/sources/{id}', { params: { path: { id } } })) })
  const project = useProjects().data?.find((p) => p.id === source.data?.project_id)
  const [ask, show] = useState(false)
  const change = useMutation({
    mutationFn: (body: { active?: boolean; non_personal?: string[]; name?: string; thanks_url?: string }) => ok(api.PATCH('/v1/sources/{id}', { params: { path: { id } }, body })),
    onSuccess: () => say(t('console.people.changed'), { kind: 'good' }),
    onError: (e) => void formFault(e),
    onSettled: () => {
      show(false)
      void queries.invalidateQueries({ queryKey: ['sources'] })
    },
  })
  if (source.isError && faultOf(source.error).status === 404) return <Missing />
  if (source.isError && !source.data) return <Sorry error={source.error} again={() => void source.refetch()} />
  const s = source.data
  if (!s) return <Page title={t('console.nav.sources')}><Rows n={5} tall /></Page>
  const faults = change.isError ? faultOf(change.error).fields : {}
  const submit = (e: FormEvent<HTMLFormElement>) => {
    e.preventDefault()
    const f = new FormData(e.currentTarget)
    change.mutate({ name: String(f.get('name')).trim(), thanks_url: String(f.get('thanks')).trim() })
  }
  return (
    <Page
      title={<span className="flex flex-wrap items-center gap-3">{s.name}<Active on={s.active} /></span>}
      words={<><Link to="/console/sources" className="underline underline-offset-4">{t('console.nav.sources')}</Link> · {project?.name}</>}
      action={
        <>
          {may('leads:read') && <Link to="/console/leads" search={{ source: s.id }} className="inline-flex min-h-9 items-center px-2 text-sm font-medium text-accent underline underline-offset-4">{t('console.source.leads')}</Link>}
          {may('setup:manage') && <Button look={s.active ? 'lost' : 'plain'} onClick={() => (s.active ? show(true) : change.mutate({ active: true }))}>{s.active ? t('console.source.stop') : t('console.source.start')}</Button>}
        </>
      }
    >
      <div className="grid grid-cols-1 gap-x-14 gap-y-10 lg:grid-cols-[minmax(0,3fr)_minmax(0,2fr)]">
        <Part title={t('console.source.put')}><Snippet id={s.id} /></Part>
        <Part title={t('console.source.about')}>
          {may('setup:manage') ? (
            <form key={s.id} onSubmit={submit} className="grid gap-4">
              <Field name="name" label={t('console.start.source.name')} defaultValue={s.name} required fault={faults.name} autoComplete="off" />
              <Field name="thanks" type="url" label={t('console.source.thanks')} help={t('console.source.thanksHelp')} defaultValue={s.thanks_url} fault={faults.thanks_url} inputClass="ltr" autoComplete="off" />
              <div><Button type="submit" busy={change.isPending}>{t('console.source.save')}</Button></div>
            </form>
          ) : (
            <dl className="space-y-2.5"><Fact words={t('console.source.plain')}>{s.non_personal.join(', ') || '–'}</Fact></dl>
          )}
          <dl className="mt-6 space-y-2.5">
            <Fact words={t('console.source.slug')}><span dir="ltr" className="font-mono text-xs">{s.slug}</span></Fact>
            {!may('setup:manage') && Object.entries(s.mapping).map(([from, to]) => <Fact key={from} words={from}><span dir="ltr" className="font-mono text-xs">{to}</span></Fact>)}
          </dl>
        </Part>
      </div>
      {may('reports:read') && <div className="mt-10"><RhythmPart source={s.id} /></div>}
      {may('setup:manage') && <Part className="mt-10" title={t('inlet.mapping.title')}><Mapping key={s.id + JSON.stringify(s.mapping)} source={s} /></Part>}
      <Changes about={s.id} className="mt-10" />
      <Confirm open={ask} onClose={() => show(false)} title={t('console.source.stopAsk', { name: s.name })} words={t('console.source.stopWords')} verb={t('console.source.stop')} busy={change.isPending} onYes={() => change.mutate({ active: false })} />
    </Page>
  )
}

import { useMutation, useQuery } from '@tanstack/react-query'
import { useEffect, useRef, useState } from 'react'
import { api, ok, type Schemas } from '../lib/api'
import { download } from '../lib/download'
import { faultOf } from '../lib/fault'
import { bytes } from '../lib/format'
import { through } from '../lib/kept'
import { useMay } from '../lib/me'
import { queries } from '../lib/query'
import { useAway } from '../lib/reach'
import { purpose } from '../lib/session'
import { t } from '../lib/words'
import { Button } from '../ui/button'
import { cx } from '../ui/cx'
import { Confirm, Dialog } from '../ui/dialog'
import { Icon, type IconName } from '../ui/icon'
import { Block } from '../ui/skeleton'
import { When } from '../ui/time'
import { faultWords, say, sayFault } from '../ui/toast'
import { add, again, type Arriving, drop, useArriving } from './arriving'

type LeadFile = Schemas['LeadFile']

// A picture that is chosen by these kinds comes from an iPhone as JPEG, whatever its camera makes.
const pictures = 'image/jpeg,image/png,image/webp,image/gif'
const takes = `${pictures},application/pdf,text/plain,text/csv,.docx,.xlsx,.pptx`

const isPicture = (f: LeadFile) => f.kind === 'image/jpeg' || f.kind === 'image/png'
const iconOf = (kind: string): IconName => (kind.startsWith('image/') ? 'picture' : kind.includes('spreadsheet') ? 'sheet' : kind === 'text/plain' ? 'note' : 'file')

/** What is in a file, opened on the record: only when somebody asks for it. */
const fetchFile = (f: LeadFile) =>
  api.GET('/v1/leads/{id}/files/{file}', { params: { path: { id: f.lead_id, file: f.id }, header: { 'Catchment-Purpose': purpose() } }, parseAs: 'blob' })

/** A lead's files: those that are there, those on their way, and how another is added. */
export function Files({ lead, canWork, title, className }: { lead: string; canWork: boolean; /** The class of its heading, as its neighbours have it. */ title: string; className?: string }) {
  const list = useQuery({
    queryKey: ['lead', lead, 'files'],
    queryFn: ({ queryKey }) => through(queryKey, () => ok(api.GET('/v1/leads/{id}/files', { params: { path: { id: lead }, query: { limit: 100 }, header: { 'Catchment-Purpose': purpose() } } })).then((l) => l.items)),
  })
  const arriving = useArriving(lead)
  const [shown, show] = useState<{ file: LeadFile; picture: Blob } | null>(null)
  const [asked, ask] = useState<LeadFile | null>(null)
  const remove = useMutation({
    mutationFn: (f: LeadFile) => ok(api.DELETE('/v1/leads/{id}/files/{file}', { params: { path: { id: lead, file: f.id } } })),
    onSuccess: () => say(t('attached.removed'), { kind: 'good' }),
    onError: sayFault,
    onSettled: () => {
      ask(null)
      void queries.invalidateQueries({ queryKey: ['lead', lead] })
    },
  })
  const files = list.data
  const empty = files?.length === 0 && arriving.length === 0
  return (
    <section className={className}>
      <h2 className={title}>{t('attached.title')}</h2>
      {!files && list.isError && <Again error={list.error} onAgain={() => void list.refetch()} />}
      {!files && !list.isError && <Block className="mt-3 h-12" />}
      {empty && <p className="mt-1 text-sm text-soft">{t(canWork ? 'attached.none' : 'attached.noneToSee')}</p>}
      {!empty && (
        <ul className="mt-1 divide-y divide-line">
          {arriving.map((a) => <Coming key={a.id} one={a} />)}
          {files?.map((f) => <Row key={f.id} file={f} canWork={canWork} onShow={(picture) => show({ file: f, picture })} onRemove={() => ask(f)} />)}
        </ul>
      )}
      {canWork && files && <Add lead={lead} />}
      {shown && (
        <Dialog open onClose={() => show(null)} title={shown.file.name ?? t('attached.sealed')} words={t('attached.opened')} className="top-[6dvh]! max-h-[88dvh]! max-w-240!" actions={<>
          <Button look="quiet" onClick={() => show(null)}>{t('common.close')}</Button>
          <Button icon="save" onClick={() => void download(Promise.resolve({ data: shown.picture, response: new Response() }), shown.file.name ?? '')}>{t('attached.saveOne')}</Button>
        </>}>
          <Picture of={shown.picture} name={shown.file.name ?? t('attached.sealed')} max={2400} className="mx-auto max-h-[62dvh] max-w-full rounded" />
        </Dialog>
      )}
      <Confirm open={!!asked} onClose={() => ask(null)} title={t('attached.ask')} words={<span className="wrap-anywhere">{t('attached.askWords', { name: asked?.name ?? t('attached.sealed') })}</span>} verb={t('attached.removeOne')} busy={remove.isPending} onYes={() => asked && remove.mutate(asked)} />
    </section>
  )
}

function Again({ error, onAgain }: { error: unknown; onAgain: () => void }) {
  const said = faultWords(faultOf(error))
  return (
    <div className="mt-1 flex items-center justify-between gap-3">
      <p className="min-w-0 text-sm text-soft">{said.title}. {said.words}</p>
      <Button onClick={onAgain}>{t('common.again')}</Button>
    </div>
  )
}

const line = 'flex min-h-14 items-center gap-3 py-1.5'

function Row({ file: f, canWork, onShow, onRemove }: { file: LeadFile; canWork: boolean; onShow: (picture: Blob) => void; onRemove: () => void }) {
  const may = useMay()
  const [seen, see] = useState<Blob | null>(null)
  const open = useMutation({
    mutationFn: async () => (await ok(fetchFile(f))) as unknown as Blob,
    onSuccess: (picture) => {
      see(picture)
      onShow(picture)
    },
    onError: sayFault,
  })
  const save = useMutation({ mutationFn: () => download(fetchFile(f), f.name ?? ''), onError: sayFault })
  const name = f.name ?? t('attached.sealed')
  const opens = f.name !== null && !!may('persons:open')
  const look = () => (seen ? onShow(seen) : open.mutate())
  return (
    <li className={line}>
      <span className="grid size-11 shrink-0 place-items-center overflow-hidden rounded bg-sunken text-soft md:size-9">
        {seen ? <Picture of={seen} name="" max={176} className="size-full object-cover" /> : <Icon name={f.name === null ? 'lock' : iconOf(f.kind)} />}
      </span>
      <span className="min-w-0 flex-1">
        <span className="line-clamp-2 font-medium wrap-anywhere"><bdi>{name}</bdi></span>
        <span className="flex flex-wrap gap-x-3 text-sm text-soft"><span>{bytes(f.size)} · <When at={f.created_at} /></span><span>{f.by_name ?? t('attached.someone')}</span></span>
      </span>
      <span className="-me-2 flex shrink-0">
        {opens && (isPicture(f)
          ? <Button look="quiet" icon="eye" busy={open.isPending} aria-label={t('attached.open', { name })} onClick={look} />
          : <Button look="quiet" icon="save" busy={save.isPending} aria-label={t('attached.save', { name })} onClick={() => save.mutate()} />)}
        {canWork && <Button look="quiet" icon="cross" aria-label={t('attached.remove', { name })} onClick={onRemove} />}
      </span>
    </li>
  )
}

/** One on its way: how far it is, or why it was not taken and what helps. */
function Coming({ one: a }: { one: Arriving }) {
  const name = a.file.name
  const share = a.file.size ? Math.min(1, a.sent / a.file.size) : 0
  const state = a.is === 'refused' ? a.why?.words : a.is === 'waits' ? t('attached.waits') : share < 1 ? t('attached.arrives', { percent: Math.floor(share * 100) }) : t('attached.looked')
  return (
    <li className={cx('flex flex-wrap gap-3 py-1.5', a.is === 'refused' ? 'items-start' : 'min-h-14 items-center')}>
      <span className={cx('grid size-11 shrink-0 place-items-center rounded md:size-9', a.is === 'refused' ? 'bg-lost-ground text-lost' : 'bg-accent-ground text-accent')}>
        <Icon name={a.is === 'refused' ? 'warn' : iconOf(a.file.type)} />
      </span>
      <span className="min-w-0 flex-1" role={a.is === 'refused' ? 'alert' : undefined}>
        <span className="line-clamp-2 font-medium wrap-anywhere"><bdi>{name}</bdi></span>
        <span className={cx('figures block text-sm', a.is === 'refused' ? 'text-lost' : 'text-soft')}>{state}</span>
        {a.is === 'sends' && (
          <span role="progressbar" aria-label={name} aria-valuemin={0} aria-valuemax={100} aria-valuenow={Math.floor(share * 100)} className="mt-1.5 block h-1.5 overflow-hidden rounded-full bg-hover">
            <Bar share={share} />
          </span>
        )}
      </span>
      {a.is === 'refused' ? (
        <span className="flex w-full justify-end gap-2">
          <Button look="quiet" aria-label={`${t('attached.dropOne')}: ${name}`} onClick={() => drop(a.id)}>{t('attached.dropOne')}</Button>
          {a.why?.again && <Button aria-label={`${t('common.again')}: ${name}`} onClick={() => again(a.id)}>{t('common.again')}</Button>}
        </span>
      ) : (
        <Button look="quiet" className="-me-2" onClick={() => drop(a.id)} aria-label={`${t('common.cancel')}: ${name}`}>{t('common.cancel')}</Button>
      )}
    </li>
  )
}

/** Its width is set by the script: the policy of the page has no styles in its text. */
function Bar({ share }: { share: number }) {
  const bar = useRef<HTMLSpanElement>(null)
  useEffect(() => bar.current?.style.setProperty('width', `${share * 100}%`), [share])
  return <span ref={bar} className="block h-full rounded-full bg-accent transition-[width] duration-120" />
}

function Add({ lead }: { lead: string }) {
  const files = useRef<HTMLInputElement>(null)
  const camera = useRef<HTMLInputElement>(null)
  const away = useAway()
  const said = useArriving(lead).some((a) => a.why?.offline)
  const took = (input: HTMLInputElement) => {
    add(lead, input.files ?? [])
    input.value = '' // the same file can be chosen once more
  }
  return (
    <>
      <div className="mt-2 flex flex-wrap gap-2">
        <Button icon="clip" onClick={() => files.current?.click()}>{t('attached.add')}</Button>
        <Button icon="camera" className="hidden pointer-coarse:inline-flex" onClick={() => camera.current?.click()}>{t('attached.photo')}</Button>
      </div>
      {away && !said && <p className="mt-2 text-sm text-soft">{t('attached.away')}</p>}
      <input ref={files} type="file" multiple hidden accept={takes} aria-label={t('attached.choose')} onChange={(e) => took(e.currentTarget)} />
      <input ref={camera} type="file" hidden accept="image/jpeg" capture="environment" aria-label={t('attached.camera')} onChange={(e) => took(e.currentTarget)} />
    </>
  )
}

/** A picture that is in memory alone, drawn no larger than max: the policy of the page lets no picture be shown that does not come from the server. */
function Picture({ of, name, max, className }: { of: Blob; name: string; max: number; className: string }) {
  const canvas = useRef<HTMLCanvasElement>(null)
  const [failed, fail] = useState(false)
  useEffect(() => {
    let over = false
    createImageBitmap(of).then((b) => {
      const c = canvas.current
      if (c && !over) {
        const scale = Math.min(1, max / Math.max(b.width, b.height))
        c.width = Math.max(1, Math.round(b.width * scale))
        c.height = Math.max(1, Math.round(b.height * scale))
        c.getContext('2d')?.drawImage(b, 0, 0, c.width, c.height)
      }
      b.close()
    }).catch(() => over || fail(true))
    return () => void (over = true)
  }, [of, max])
  if (failed) return name ? <p className="text-soft">{t('attached.undrawn')}</p> : <Icon name="picture" />
  return <canvas ref={canvas} {...(name ? { role: 'img', 'aria-label': name } : { 'aria-hidden': true })} className={className} />
}

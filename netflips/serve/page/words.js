// What the page says, in English and Korean; the choice is kept by the browser.
const WORDS = {
  en: {
    motto: "Same person, another language, lips that fit.", labels: "Labels",
    dub: "Dub", review: "Review", lips: "Lips", speak: "Speak", transcribe: "Transcribe", measure: "Measure", avatar: "Avatar",
    dubLead: "Give a video of somebody who speaks; the same person will speak the other language.",
    reviewLead: "Look at what was understood, correct a sentence, and dub only that one anew.",
    lipsLead: "Move the lips of a video, or of a still picture, to speech that you have.",
    speakLead: "Korean text to speech, in a voice that you give or in nobody's.",
    transcribeLead: "What is said in a video or a sound file, or shown by lips, as text.",
    measureLead: "The figures of a finished dub, and how well lips and sound agree.",
    avatarLead: "Ask a question aloud; a portrait answers in Korean.",
    video: "Video", voice: "Voice (optional: a recording in place of the speaker's own)", speech: "Speech", picture: "Picture of a face",
    subtitles: "Subtitles (optional: Korean ones are spoken, English ones are what is heard)",
    recording: "Video or sound file", question: "Question", choose: "Choose a file, or drop it here",
    record: "Record", stopRecording: "Stop recording", example: "Take the example", noCamera: "The camera or microphone cannot be used",
    source: "Spoken language", target: "New language", mouth: "Mouth", timing: "Timing", modalities: "Listen to",
    background: "Sound between utterances", auto: "automatic", byModels: "as the models allow",
    timingAuto: "automatic", timingSource: "each utterance in its place", timingFree: "as long as it takes (one utterance)",
    soundAndLips: "sound and lips", soundOnly: "sound alone", lipsOnly: "lips alone",
    keepBackground: "keep", muteBackground: "mute", more: "More", hold: "Hold the picture where speech is too long",
    burnLabel: "Burn the label \"synthetic\" into the picture",
    mouthUnits: "units (network)", mouthMesh: "mesh (own pixels)", mouthWav2lip: "Wav2Lip",
    dubIt: "Dub", preview: "Preview the first utterance", lipsIt: "Move the lips", portraitIt: "Let it talk",
    lipsync: "Lips of a video", portrait: "A still picture that talks", fit: "Where lengths differ",
    fitSpeech: "as long as the speech", fitHold: "as long as the speech, last picture held", fitVideo: "as long as the video",
    motion: "Movement of the head", text: "Text", slower: "Slower (right) or faster (left)", speakIt: "Speak",
    format: "Format", plainText: "plain text", transcribeIt: "Transcribe", syncnet: "Lips and sound by SyncNet", measureIt: "Measure",
    rate: "Pace of the answer", ask: "Ask", repeat: "Say it again", askAloud: "Ask aloud", askNow: "I have asked",
    theExample: "the example, unless you choose one", seconds: "{0} s", minutes: "{0}:{1} min",
    needsSpeller: "These models hold no speller; start the server with --text2unit-path FILE.",
    needsReader: "These models hold no text reader; start the server with --unit2text-path FILE.",
    needsSyncnet: "Start the server with --syncnet FILE (syncnet_v2.model) to measure this.",
    needsAvatar: "This NetfLips has no command avatar.",
    consent: "Only use pictures and voices of people who agreed to it. Everything made here is marked as synthetic.",
    limits: "Files up to {0} MB and {1} minutes; they and the jobs are removed after {2} hours.",
    waiting: "waits, place {0} in the queue", running: "{0} %", left: "about {0} left", done: "done in {0}", failed: "failed",
    puzzled: "The question was not understood.", stopped: "stopped", asks: "little is understood", askGoOn: "Nothing was spoken or drawn yet. Go on all the same?", goOnAnyway: "Go on all the same",
    sending: "sending {0} %", looking: "the file is looked at", starting: "starting",
    stop: "Stop", goOn: "Go on", remove: "Remove", openReport: "Open the report", download: "Download", project: "Project (.zip)",
    toReview: "Review", dubAll: "Dub it all", original: "Original", result: "Result", play: "Play", pause: "Pause",
    inStep: "in step", hear: "Hear", theDub: "the dub", theOriginal: "the original", noPlay: "This browser cannot play the original.",
    whichDub: "Which dub", noDubs: "There is no finished dub yet.", number: "No.", time: "Time", who: "Who", heard: "Heard",
    said: "Said", sure: "Sure", fits: "Fit", from: "from", to: "to", again: "Dub again what was changed", kept: "utterances spoken anew: {0}, kept as they were: {1}",
    noText: "(not read: no text reader)", sayInstead: "Korean text to say instead", changed: "{0} changed", hearIt: "Hear it", left_alone: "left as it was",
    noSpeller: "No speller: the text cannot be changed, times and speakers can.",
    shortClip: "This clip was dubbed as one utterance, as long as it takes; a correction places it in the original's time.",
    utterances: "utterances dubbed", lasts: "length, original and dub", faces: "pictures with new lips", hurried: "hurried",
    cut: "cut", outside: "outside what the models know", confidence: "sure of the original (usual)", score: "sure of the translation (usual)",
    pitch: "voice pitch", took: "computing time", lost: "The server cannot be reached.", remembered: "Your jobs",
    evaluate: "Measure this dub (netflips evaluate dub)",
    lseHead: "from..to, s: LSE-C (more is better), LSE-D (less is better), offset in pictures",
  },
  ko: {
    motto: "같은 사람, 다른 언어, 맞는 입술.", labels: "표시 언어",
    dub: "더빙", review: "검토", lips: "입술", speak: "말하기", transcribe: "받아쓰기", measure: "측정", avatar: "아바타",
    dubLead: "말하는 사람이 나오는 영상을 주세요. 같은 사람이 다른 언어로 말합니다.",
    reviewLead: "무엇을 알아들었는지 보고, 문장을 고치고, 그 문장만 다시 더빙합니다.",
    lipsLead: "영상이나 사진의 입술을 가지고 있는 음성에 맞춥니다.",
    speakLead: "한국어 글을 주어진 목소리나 누구의 것도 아닌 목소리로 읽습니다.",
    transcribeLead: "영상이나 소리 파일에서 말한 것, 또는 입술이 보여 주는 것을 글로 적습니다.",
    measureLead: "끝난 더빙의 수치와 입술과 소리가 얼마나 맞는지를 봅니다.",
    avatarLead: "소리 내어 물어보세요. 사진이 한국어로 대답합니다.",
    video: "영상", voice: "목소리 (선택: 원래 목소리 대신 쓸 녹음)", speech: "음성", picture: "얼굴 사진",
    subtitles: "자막 (선택: 한국어 자막은 말하고, 영어 자막은 들은 말로 씁니다)", recording: "영상 또는 소리 파일", question: "질문", choose: "파일을 고르거나 여기에 놓으세요",
    record: "녹화·녹음", stopRecording: "멈추기", example: "예제 쓰기", noCamera: "카메라나 마이크를 쓸 수 없습니다",
    source: "말하는 언어", target: "새 언어", mouth: "입", timing: "시간 맞추기", modalities: "듣는 것",
    background: "말 사이의 소리", auto: "자동", byModels: "모델이 허락하는 대로",
    timingAuto: "자동", timingSource: "문장마다 제자리에", timingFree: "필요한 만큼 길게 (한 문장)",
    soundAndLips: "소리와 입술", soundOnly: "소리만", lipsOnly: "입술만",
    keepBackground: "그대로", muteBackground: "없앰", more: "더 보기", hold: "말이 길면 화면을 멈추어 기다림",
    burnLabel: "화면에 \"synthetic\" 표시를 넣음",
    mouthUnits: "유닛 (신경망)", mouthMesh: "메시 (본인 화소)", mouthWav2lip: "Wav2Lip",
    dubIt: "더빙하기", preview: "첫 문장 미리 보기", lipsIt: "입술 맞추기", portraitIt: "말하게 하기",
    lipsync: "영상의 입술", portrait: "말하는 사진", fit: "길이가 다를 때",
    fitSpeech: "음성만큼", fitHold: "음성만큼, 마지막 화면을 멈춤", fitVideo: "영상만큼",
    motion: "머리의 움직임", text: "글", slower: "느리게 (오른쪽) 또는 빠르게 (왼쪽)", speakIt: "읽기",
    format: "형식", plainText: "글만", transcribeIt: "받아쓰기", syncnet: "SyncNet으로 본 입술과 소리", measureIt: "측정하기",
    rate: "대답의 빠르기", ask: "물어보기", repeat: "다시 말하기", askAloud: "소리 내어 물어보기", askNow: "다 물어봤어요",
    theExample: "고르지 않으면 예제 사진", seconds: "{0}초", minutes: "{0}분 {1}초",
    needsSpeller: "이 모델에는 글을 유닛으로 바꾸는 것이 없습니다. 서버를 --text2unit-path FILE 로 시작하세요.",
    needsReader: "이 모델에는 글로 읽는 것이 없습니다. 서버를 --unit2text-path FILE 로 시작하세요.",
    needsSyncnet: "이것을 재려면 서버를 --syncnet FILE (syncnet_v2.model) 로 시작하세요.",
    needsAvatar: "이 NetfLips에는 avatar 명령이 없습니다.",
    consent: "동의한 사람의 사진과 목소리만 쓰세요. 여기서 만든 것은 모두 합성물로 표시됩니다.",
    limits: "파일은 {0} MB, {1}분까지. 파일과 작업은 {2}시간 뒤에 지워집니다.",
    waiting: "기다림, 대기열 {0}번째", running: "{0} %", left: "약 {0} 남음", done: "{0} 만에 끝남", failed: "실패",
    puzzled: "질문을 알아듣지 못했습니다.", stopped: "멈춤", asks: "거의 알아듣지 못함", askGoOn: "아직 말하거나 그리지 않았습니다. 그래도 계속할까요?", goOnAnyway: "그래도 계속하기",
    sending: "보내는 중 {0} %", looking: "파일을 살펴보는 중", starting: "시작하는 중",
    stop: "멈추기", goOn: "이어서 하기", remove: "지우기", openReport: "보고서 열기", download: "내려받기", project: "프로젝트 (.zip)",
    toReview: "검토", dubAll: "전체 더빙", original: "원본", result: "결과", play: "재생", pause: "일시 정지",
    inStep: "함께 재생", hear: "듣기", theDub: "더빙", theOriginal: "원본", noPlay: "이 브라우저는 원본을 재생할 수 없습니다.",
    whichDub: "어느 더빙", noDubs: "끝난 더빙이 아직 없습니다.", number: "번호", time: "시간", who: "누가", heard: "들은 말",
    said: "하는 말", sure: "확신", fits: "맞음", from: "부터", to: "까지", again: "고친 것만 다시 더빙", kept: "새로 말한 문장 {0}개, 그대로 둔 문장 {1}개",
    noText: "(글로 읽는 모델이 없음)", sayInstead: "대신 할 한국어 말", changed: "{0}개 고침", hearIt: "들어 보기", left_alone: "그대로 둠",
    noSpeller: "글을 유닛으로 바꾸는 모델이 없어서 글은 고칠 수 없고, 시간과 말하는 사람은 고칠 수 있습니다.",
    shortClip: "이 영상은 한 문장으로, 필요한 만큼 길게 더빙했습니다. 고치면 원본의 시간에 맞춥니다.",
    utterances: "더빙한 문장", lasts: "길이, 원본과 더빙", faces: "새 입술이 있는 화면", hurried: "서두름",
    cut: "잘림", outside: "모델이 모르는 것", confidence: "원본에 대한 확신 (보통)", score: "번역에 대한 확신 (보통)",
    pitch: "목소리 높이", took: "계산 시간", lost: "서버에 닿을 수 없습니다.", remembered: "내 작업",
    evaluate: "이 더빙 재기 (netflips evaluate dub)",
    lseHead: "부터..까지, 초: LSE-C (클수록 좋음), LSE-D (작을수록 좋음), 어긋난 화면 수",
  },
};

const kept = () => {
  try {
    return localStorage.getItem("netflips-labels");
  } catch {
    return null; // storage is switched off
  }
};
let chosen = kept() ?? (navigator.language.startsWith("ko") ? "ko" : "en");
if (!(chosen in WORDS)) chosen = "en";

export const language = () => chosen;

export const t = (key, ...values) =>
  (WORDS[chosen][key] ?? key).replace(/\{(\d)\}/g, (_, place) => String(values[Number(place)]));

export const choose = (name) => {
  chosen = name;
  try {
    localStorage.setItem("netflips-labels", name);
  } catch {
    // it is chosen for this visit
  }
};

export const translate = (root) => {
  for (const one of root.querySelectorAll("[data-t]")) one.textContent = t(one.dataset.t);
};

// What a number of seconds is called: 5 s, 2:05 min, 2분 05초.
export const duration = (seconds) => {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return t("seconds", whole);
  return t("minutes", Math.floor(whole / 60), String(whole % 60).padStart(2, "0"));
};

// The points of one face, by an exported network in MNN's format: landmarks MODEL.mnn PICTURE.ppm [X,Y,W,H] [--threads N]
//
// Prints a line "x y" per point, in pixels of the picture; pixel i reaches from i to i + 1. The box is a face detector's;
// without one the whole picture is the crop. On standard error: the median latency of the network alone.

#include <algorithm>
#include <cctype>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include <unistd.h>

#include <MNN/ImageProcess.hpp>
#include <MNN/Interpreter.hpp>

const int WARM_UP = 10, RUNS = 100;

struct Picture { int width, height; std::vector<char> file; const uint8_t* pixels; };
struct Square { double left, upper, side; };

[[noreturn]] void fail(const std::string& text) {
    std::fprintf(stderr, "landmarks: %s\n", text.c_str());
    std::exit(2);
}

// The next number in the head of a PPM file, after blanks and comments; -1 if there is none.
int next_number(const std::vector<char>& file, size_t& at) {
    while (at < file.size() && (std::isspace(static_cast<unsigned char>(file[at])) || file[at] == '#'))
        at = file[at] == '#' ? std::find(file.begin() + at, file.end(), '\n') - file.begin() : at + 1;
    int number = -1;
    for (; at < file.size() && file[at] >= '0' && file[at] <= '9' && number < 10000; ++at)
        number = 10 * std::max(number, 0) + (file[at] - '0');
    return number;
}

Picture read_picture(const std::string& path) {
    Picture picture{0, 0, {}, nullptr};
    std::vector<char>& file = picture.file;
    std::FILE* stream = std::fopen(path.c_str(), "rb");
    char block[65536];
    for (size_t got = 1; stream && got; file.insert(file.end(), block, block + got))
        got = std::fread(block, 1, sizeof block, stream);
    if (stream) std::fclose(stream);
    size_t at = 2;
    bool sound = file.size() > 2 && file[0] == 'P' && file[1] == '6';
    sound = sound && (picture.width = next_number(file, at)) > 0 && (picture.height = next_number(file, at)) > 0;
    sound = sound && next_number(file, at) == 255 && at < file.size();
    if (!sound || file.size() - at - 1 < size_t(3) * picture.width * picture.height)
        fail(path + ": not a readable image; give a binary PPM (P6) of 8 bits");
    picture.pixels = reinterpret_cast<const uint8_t*>(&file[at]) + 1;  // one blank ends the head
    return picture;
}

// As square_of of fbnet_pfld.runtime: the landmarks are in the lower 0.8 of a detector's box, and a crop's side is 1.2 times
// their larger one.
Square square_of(const char* box, const Picture& picture) {
    const int width = picture.width, height = picture.height;
    double x, y, w, h;
    int end = 0;
    const bool four = std::sscanf(box, "%lf,%lf,%lf,%lf%n", &x, &y, &w, &h, &end) == 4 && !box[end];
    if (!four || !std::isfinite(x) || !std::isfinite(y) || !std::isfinite(w) || !std::isfinite(h) || w <= 0 || h <= 0)
        fail("box " + std::string(box) + ": not a box; give X,Y,W,H in pixels, W and H above 0");
    if (x >= width || y >= height || x + w <= 0 || y + h <= 0 || w > 2 * width || h > 2 * height)
        fail("box " + std::string(box) + " in a picture of " + std::to_string(width) + " x " + std::to_string(height) +
             " pixels; allowed: one that overlaps it and is at most twice its size");
    const double below = 0.8 * h, side = 1.2 * std::max(w, below);
    return {x + (w - side) / 2, y + h - (below + side) / 2, side};
}

// The crop as the network wants it: BGR, 0..1, in planes of size x size. Bilinear sampling alone would turn the detail of a
// large face into noise: such a face is sampled at a multiple of the size and averaged, row by row, to bound memory.
void cut(const Picture& picture, const Square& square, int size, float* planes) {
    const int times = std::max(1, static_cast<int>(std::ceil(square.side / size))), fine = times * size;
    const double step = square.side / fine;
    MNN::CV::ImageProcess::Config config;
    config.filterType = MNN::CV::BILINEAR;
    config.sourceFormat = MNN::CV::RGB;
    config.destFormat = MNN::CV::BGR;
    config.wrap = MNN::CV::CLAMP_TO_EDGE;
    std::unique_ptr<MNN::CV::ImageProcess> process(MNN::CV::ImageProcess::create(config));
    std::vector<uint8_t> strip(size_t(3) * times * fine);
    for (int row = 0; row < size; ++row) {
        // The matrix takes pixels of the strip to those of the picture, and counts both from the middle of the first.
        MNN::CV::Matrix matrix;
        matrix.setScaleTranslate(step, step, square.left + step / 2 - 0.5, square.upper + (row * times + 0.5) * step - 0.5);
        process->setMatrix(matrix);
        if (process->convert(picture.pixels, picture.width, picture.height, 3 * picture.width, strip.data(), fine, times, 3, 0,
                             halide_type_of<uint8_t>()) != MNN::NO_ERROR)
            fail("MNN cannot make the crop");
        std::vector<int> sums(3 * size, times * times / 2);  // the half rounds: in training, too, crops had 8 bits
        for (size_t i = 0; i < strip.size(); ++i)
            sums[i / 3 % fine / times * 3 + i % 3] += strip[i];
        for (int i = 0; i < 3 * size; ++i)
            planes[(i % 3 * size + row) * size + i / 3] = sums[i] / (times * times) / 255.0f;
    }
}

int main(int count, char** words) {
    const bool threaded = count > 4 && std::string(words[count - 2]) == "--threads";
    const int threads = threaded ? std::atoi(words[count - 1]) : 1, places = threaded ? count - 2 : count;
    if (places < 3 || places > 4 || threads < 1)
        fail("wrong arguments; allowed: MODEL.mnn PICTURE.ppm [X,Y,W,H] [--threads N], N from 1");
    // MNN prints about the machine to standard output, which is for the points.
    std::FILE* out = fdopen(dup(1), "w");
    if (!out || !std::freopen("/dev/null", "w", stdout)) fail("standard output cannot be used");

    const std::string model = words[1];
    const Picture picture = read_picture(words[2]);
    const double side = std::max(picture.width, picture.height);
    const Square whole{(picture.width - side) / 2, (picture.height - side) / 2, side};
    const Square square = places == 4 ? square_of(words[3], picture) : whole;
    std::unique_ptr<MNN::Interpreter> net(MNN::Interpreter::createFromFile(model.c_str()));
    if (!net) fail(model + ": not a readable model; give a file in MNN's format");
    MNN::BackendConfig backend;
    backend.precision = MNN::BackendConfig::Precision_High;  // no 16-bit floats, where a phone has them
    MNN::ScheduleConfig config;
    config.numThread = threads;
    config.backendConfig = &backend;
    MNN::Session* session = net->createSession(config);
    MNN::Tensor* input = session ? net->getSessionInput(session, nullptr) : nullptr;
    MNN::Tensor* output = session ? net->getSessionOutput(session, nullptr) : nullptr;
    const halide_type_t number = halide_type_of<float>();
    if (!input || !output || input->getType() != number || output->getType() != number || input->dimensions() != 4 ||
        input->length(0) != 1 || input->length(1) != 3 || input->length(2) != input->length(3) || output->elementSize() % 2)
        fail(model + ": not a landmark network; allowed: a float input 1 x 3 x S x S, and a float x and y per point");

    MNN::Tensor crop(input, MNN::Tensor::CAFFE), points(output, MNN::Tensor::CAFFE);
    cut(picture, square, input->length(2), crop.host<float>());
    std::vector<double> microseconds;
    for (int i = -WARM_UP; i < RUNS; ++i) {
        const auto start = std::chrono::steady_clock::now();
        input->copyFromHostTensor(&crop);
        if (net->runSession(session) != MNN::NO_ERROR) fail(model + ": MNN cannot run it");
        output->copyToHostTensor(&points);
        const std::chrono::duration<double, std::micro> taken = std::chrono::steady_clock::now() - start;
        if (i >= 0) microseconds.push_back(taken.count());
    }
    std::nth_element(microseconds.begin(), microseconds.begin() + RUNS / 2, microseconds.end());
    const float* values = points.host<float>();
    if (!std::all_of(values, values + points.elementSize(), [](float value) { return std::isfinite(value); }))
        fail(model + ": predicts points that are not finite; export a trained network");
    for (int i = 0; i < points.elementSize(); i += 2)
        std::fprintf(out, "%.3f %.3f\n", square.left + square.side * values[i], square.upper + square.side * values[i + 1]);
    std::fprintf(stderr, "median of %d runs: %.0f us, %d thread(s)\n", RUNS, microseconds[RUNS / 2], threads);
    return std::fclose(out) ? 1 : 0;
}
